#!/usr/bin/env node
// Plain JavaScript, so that an old Node says what is missing instead of stumbling over TypeScript.
if (Number.parseInt(process.versions.node, 10) >= 24) {
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error(
    `dray needs Node 24 or newer, and this is ${process.versions.node}. ` +
      'The project brings its own: start it with "npx dray" or "npm run dray --".',
  );
  process.exitCode = 2;
}
