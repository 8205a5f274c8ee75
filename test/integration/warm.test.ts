import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase } from '../helpers/database.ts';

const WORKERS = join(import.meta.dirname, '../../workers');

let folder: string;
let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drayage-warm-'));
  database = await createDatabase();
});
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

/** Runs a script to its end, or until it says something. @returns what it and Node itself have said */
async function start(script: string, until?: string): Promise<string> {
  const child = spawn(process.execPath, [join(WORKERS, script)], {
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      DRAYAGE_HOME: folder,
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
    },
    stdio: 'pipe',
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (!child.killed && until && said.includes(until)) child.kill('SIGTERM');
    });
  }
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return said;
}

test('what a worker loads was freed of its types when the project was built', async () => {
  const cold = 'no transpile cache for StrippedTypeScript';
  expect(await start('warm.ts')).toContain(cold);
  const lines = (await start('worker.ts', 'worker started')).split('\n');
  expect(lines.filter((line) => line.includes(cold))).toEqual([]);
});
