import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { useWorkspace } from '../helpers/workspace.ts';

let project: TestProject;
let database: TestDatabase;

const duck = useWorkspace(async (opened) => {
  ({ project, database } = opened);
  await writeParquet(
    duck,
    `select i as id, i * 2 as extra, if(i = 5000, 'a' || chr(0), 'n' || i) as name from range(9000) t(i)`,
    `${project.root}/in.parquet`,
  );
  await project.write('sql/targets/kept.sql', 'create table kept (id bigint, name text)');
  const job = (name: string, body: string) =>
    project.write(
      `jobs/${name}.ts`,
      `import { batches, defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Kept', source: () => files('in.parquet'),
         transform: batches(${body}), targets: { kept: table({ ddl: 'kept.sql' }) },
       });`,
    );
  await job('select', `(batch) => batch.select(['id', 'name'])`);
  await job(
    'failing',
    `(batch) => { if (batch.numRows > 0) throw new Error('no such luck'); return batch.select(['id', 'name']); }`,
  );
});

test('a function over record batches is a transform, and its rejects keep their row numbers', async () => {
  const report = JSON.parse((await project.dray(['run', 'select', '--json'])).stdout);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 9000, written: 8999, rejected: 1 } });
  const { rows } = await database.pool.query('select row_number as row, raw from drayage.rejects');
  expect(rows).toEqual([{ row: 5001, raw: { id: 5000, name: 'a\0' } }]);
  const sum = await database.pool.query('select count(*)::int as rows, sum(id)::int as sum from kept');
  expect(sum.rows).toEqual([{ rows: 8999, sum: (8999 * 9000) / 2 - 5000 }]);
});

test('a function that throws fails its partition with its words, and nothing of it is loaded', async () => {
  await database.pool.query('truncate kept');
  const finished = await project.dray(['run', 'failing', '--json']);
  expect(finished.code).toBe(1);
  expect(JSON.parse(finished.stdout)).toMatchObject({
    state: 'failed',
    errors: [{ message: expect.stringContaining('no such luck') }],
  });
  expect((await database.pool.query('select id from kept')).rows).toEqual([]);
});
