import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

let database: TestDatabase;
let project: TestProject;
const duck = createDuck();
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
});
afterAll(async () => {
  await duck.close();
  await project.remove();
  await database.drop();
});

test('a Parquet file lands in a table', async () => {
  await database.pool.query('create table numbers (id bigint primary key, name text)');
  await writeParquet(
    duck,
    `select i as id, 'n' || i as name from range(10000) t(i)`,
    `${project.root}/numbers.parquet`,
    2048,
  );
  await project.write(
    'jobs/numbers.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({ name: 'numbers', description: 'x', source: () => files('numbers.parquet', { partitionRows: 4000 }), targets: { numbers: table() } });`,
  );
  const run = await project.dray(['run', 'numbers', '--json']);
  expect(run.stderr).toBe('');
  expect(JSON.parse(run.stdout)).toMatchObject({
    state: 'succeeded',
    rows: { read: 10000, written: 10000, rejected: 0 },
  });
  const { rows } = await database.pool.query('select count(*), sum(id) from numbers');
  expect(rows).toEqual([{ count: 10000, sum: '49995000' }]);
});
