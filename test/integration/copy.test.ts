import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  const rows = (note: string) => `select i as id, '${note} ' || i as note from range(5000) t(i)`;
  await writeParquet(duck, rows('first'), `${project.root}/first.parquet`, 2048);
  await writeParquet(duck, rows('second'), `${project.root}/second.parquet`, 2048);
});
afterAll(async () => {
  await duck.close();
  await project.remove();
  await database.drop();
});

const count = async (table: string, where = 'true') =>
  (await database.pool.query(`select count(*) from ${table} where ${where}`)).rows[0].count;

test('files go into a table that is made for them, again without doubling, and are verified', async () => {
  await database.pool.query('create schema sales');
  const copy = (file: string) =>
    project.dray(['copy', file, '--to', 'sales."Order"', '--key', 'id', '--param', 'partitionRows=2000', '--json']);
  expect(JSON.parse((await copy('first.parquet')).stdout)).toMatchObject({
    job: 'copy',
    state: 'succeeded',
    partitions: { total: 3, done: 3 },
    rows: { written: 5000 },
  });
  expect(JSON.parse((await copy('first.parquet')).stdout)).toMatchObject({ partitions: { skipped: 3 } });
  expect(JSON.parse((await copy('second.parquet')).stdout)).toMatchObject({ rows: { written: 5000 } });
  expect(await count('sales."Order"', `note like 'second%'`)).toBe(5000);
  expect(await project.dray(['verify', '--sample', '5'])).toMatchObject({ code: 0 });
});

test('without a key rows are appended, or the table is replaced', async () => {
  const copy = async (mode: string) => {
    const options = ['--to', 'notes', '--mode', mode, '--force', '--json'];
    return JSON.parse((await project.dray(['copy', 'first.parquet', ...options])).stdout);
  };
  await copy('append');
  await copy('append');
  expect(await count('notes')).toBe(10_000);
  expect(await copy('replace')).toMatchObject({ state: 'succeeded' });
  expect(await count('notes')).toBe(5000);
});

test.each([
  [['copy', 'first.parquet'], /The table is missing/],
  [['copy', 'frist.parquet', '--to', 'x'], /There is no file frist.parquet/],
  [['copy', 'first.parquet', '--to', 'x', '--mode', 'upsret'], /Did you mean "upsert"/],
  [['copy', 'first.parquet', '--to', 'x', '--mode', 'merge'], /complete: true/],
  [['copy', 'first.parquet', '--to', 'x', '--mode', 'upsert'], /upsert needs one/],
  [['copy', 'first.parquet', '--to', 'x', '--key', 'idd'], /no column "idd"/],
  [['copy', 'first.parquet', '--to', 'x', '--param', 's3.secretAccessKey=abc'], /through the environment/],
])('%s is refused', async (args, message) => {
  expect(await project.dray(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  expect((await database.pool.query(`select to_regclass('x') as x`)).rows).toEqual([{ x: null }]);
});
