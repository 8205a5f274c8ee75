import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

const ROWS = 10_000;
const duck = createDuck();
let project: TestProject;
let database: TestDatabase;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await writeParquet(
    duck,
    `select 3 * i as id, 'row ' || i as line from range(${ROWS}) t(i)`,
    `${project.root}/log.parquet`,
    2048,
  );
  await project.write('sql/targets/log.sql', 'create table log (id bigint primary key, line text)');
  await project.write(
    'jobs/log.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'log', description: 'Log', source: () => files('log.parquet', { partitionRows: 4096 }),
       targets: { log: table({ ddl: 'log.sql', key: ['id'], mode: 'upsert' }) },
     });`,
  );
  drayage = await openDrayage(project.root, database.url);
});
beforeEach(async () => {
  await database.pool.query('drop table if exists log');
  await drayage.run('log', {});
});
afterAll(async () => {
  await drayage.close();
  await duck.close();
  await database.drop();
  await project.remove();
});

const written = async () => {
  const { rows } = await database.pool.query<{ at: string }>(`select max(xmin::text::bigint)::text as at from log`);
  return rows[0]!.at;
};

test('what is there already, row for row, is left alone', async () => {
  const before = await written();
  const report = await drayage.run('log', {});
  expect(report.rows).toMatchObject({ read: ROWS, written: 0, unchanged: ROWS, rejected: 0 });
  expect(await written()).toBe(before);
});

test.each([
  ['a row that was changed', `update log set line = 'other' where id = 6000`, { written: 1, unchanged: ROWS - 1 }],
  ['a row that is missing', `delete from log where id = 6000`, { written: 1, unchanged: ROWS - 1 }],
  [
    'a row that is missing and one that is not from here',
    `update log set id = 6001 where id = 6000`,
    { written: 1, unchanged: ROWS - 1 },
  ],
  [
    'two rows that have changed places',
    `update log set line = case id when 6000 then 'row 2001' else 'row 2000' end where id in (6000, 6003)`,
    { written: 2, unchanged: ROWS - 2 },
  ],
  ['a row of another origin between them', `insert into log values (6001, 'mine')`, { written: 0, unchanged: ROWS }],
])('%s is found', async (_, change, expected) => {
  await database.pool.query(change);
  const report = await drayage.run('log', {});
  expect(report.rows).toMatchObject({ read: ROWS, rejected: 0, ...expected });
  const { rows } = await database.pool.query(
    `select count(*)::int as rows from log where id % 3 = 0 and line = 'row ' || id / 3`,
  );
  expect(rows).toEqual([{ rows: ROWS }]);
});
