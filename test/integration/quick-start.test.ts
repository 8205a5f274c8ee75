import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

const ROOT = join(import.meta.dirname, '../..');

let database: TestDatabase;
let project: TestProject;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

test('the quick start does what it says, from a file to the proof', async () => {
  const page = await readFile(join(ROOT, 'docs/quick-start.md'), 'utf8');
  const sections = page.split(/^## /m).slice(1, 6);
  const blocks = sections.flatMap((section) =>
    [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!),
  );
  const dray = `npx() { shift; '${process.execPath}' '${join(ROOT, 'src/cli/bin.js')}' "$@"; }\n`;
  const child = spawn('bash', ['-c', dray + blocks.join('\n')], { cwd: project.root, env: project.env });
  const [stdout, stderr] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
  ]);
  const said = stdout.join('');
  expect(stderr.join('')).toBe('');
  expect(said).toMatch(/Written: jobs\/orders\.ts/);
  expect(said).toMatch(/Sample: 1 of 1 partition loaded for a try/);
  expect(said).toMatch(/Run 1 of orders: succeeded/);
  expect(said).toMatch(/Run 2 of orders: completed_with_rejects/);
  expect(said).toMatch(/four/);
  expect(said).toMatch(/Run 2 of orders: verified/);
  const { rows } = await database.pool.query('select count(*), sum(amount) from orders');
  expect(rows).toEqual([{ count: 3, sum: '44.25' }]);
});
