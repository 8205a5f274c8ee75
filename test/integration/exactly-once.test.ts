import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;

const JOB = `import { defineJob, files, table } from 'drayage';
  export default defineJob({
    name: 'log', description: 'Log', source: () => files('log', { partitionRows: 2048 }), targets: { log: table({ ddl: 'log.sql' }) },
  });`;

beforeAll(async () => {
  project = await TestProject.create();
  await project.write('sql/targets/log.sql', 'create table log (id bigint, line text)');
  await project.write('log/.keep', '');
});
beforeEach(async () => {
  await database?.drop();
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
  await project.write('jobs/log.ts', JOB);
  await writeLog('line');
});
afterAll(async () => {
  await duck.close();
  await database.drop();
  await project.remove();
});

const writeLog = (word: string) =>
  writeParquet(
    duck,
    `select i as id, '${word} ' || i as line from range(20480) t(i)`,
    `${project.root}/log/a.parquet`,
    2048,
  );

async function countLog(): Promise<number> {
  return (await database.pool.query('select count(*) from log')).rows[0].count;
}

test('two runs of the same job at once load its content once', async () => {
  const both = await Promise.all([project.dray(['run', 'log', '--json']), project.dray(['run', 'log', '--json'])]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(await countLog()).toBe(20_480);
  const { rows } = await database.pool.query(
    'select sum(rows_written)::int as written, count(*)::int as runs from drayage.runs',
  );
  expect(rows).toEqual([{ written: 20_480, runs: 2 }]);
}, 120_000);

test('producers and migrations that start together on a fresh database do not get in each other’s way', async () => {
  const all = await Promise.all([
    project.dray(['db', 'up']),
    project.dray(['enqueue', 'log', '--json']),
    project.dray(['db', 'up']),
    project.dray(['enqueue', 'log', '--json']),
  ]);
  expect(all.map(({ code, stderr }) => ({ code, stderr }))).toEqual(all.map(() => ({ code: 0, stderr: '' })));
});

test('a table that was made anew counts as empty', async () => {
  await project.dray(['run', 'log']);
  await database.pool.query('drop table log');
  const again = JSON.parse((await project.dray(['run', 'log', '--json'])).stdout);
  expect(again).toMatchObject({ rows: { written: 20_480 } });
  expect(await countLog()).toBe(20_480);
});

test('a file that was replaced after it was planned fails its partitions, and nothing of it is loaded', async () => {
  await project.dray(['enqueue', 'log']);
  await writeLog('another line');
  const worker = project.spawn(['work']);
  worker.stderr.resume();
  worker.stdout.resume();
  await expect.poll(runState, { timeout: 60_000 }).toBe('failed');
  worker.kill('SIGTERM');
  const { rows } = await database.pool.query('select distinct state, error_code from drayage.partitions');
  expect(rows).toEqual([{ state: 'failed', error_code: 'SOURCE_CHANGED' }]);
  expect(await countLog()).toBe(0);
});

test('a worker with another version of the definition does not continue the run', async () => {
  await project.dray(['enqueue', 'log']);
  await project.write('jobs/log.ts', `${JOB} // changed`);
  const worker = project.spawn(['work']);
  worker.stderr.resume();
  worker.stdout.resume();
  await expect.poll(runState, { timeout: 60_000 }).toBe('failed');
  worker.kill('SIGTERM');
  const { rows } = await database.pool.query('select distinct error_code from drayage.partitions');
  expect(rows).toEqual([{ error_code: 'JOB_CHANGED' }]);
  expect(await countLog()).toBe(0);
});

async function runState(): Promise<string> {
  return (await database.pool.query('select state from drayage.runs order by id desc limit 1')).rows[0].state;
}
