#!/usr/bin/env node
// Plain JavaScript, so that an old Node says what is missing instead of stumbling over TypeScript.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 22 || (major === 22 && minor >= 18)) {
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error(
    `dray needs Node 22.18 or newer, and this is ${process.versions.node}. ` +
      'The project brings its own: start it with "npx dray" or "npm run dray --".',
  );
  process.exitCode = 2;
}
