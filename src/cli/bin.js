#!/usr/bin/env node
// Plain JavaScript, so that an old Node says what is missing instead of stumbling over TypeScript.
import { join } from 'node:path';

if (Number.parseInt(process.versions.node, 10) >= 24) {
  // A start reads the compiled modules of the last one: half of what it would take otherwise.
  const { enableCompileCache } = await import('node:module');
  enableCompileCache({ directory: join(import.meta.dirname, '../../node_modules/.cache/dray'), portable: true });
  const { keepMemoryLow } = await import('../base/memory.ts');
  keepMemoryLow(process.env);
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error(
    `dray needs Node 24 or newer, and this is ${process.versions.node}. ` +
      'The project brings its own: start it with "npx dray" or "npm run dray --".',
  );
  process.exitCode = 2;
}
