import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeParquet } from '../helpers/duck.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

let workspace: Workspace;
const duck = useWorkspace((opened) => {
  workspace = opened;
});
const json = async (...args: string[]) => JSON.parse((await workspace.project.dray([...args, '--json'])).stdout);
const rows = async (sql: string) => (await workspace.database.pool.query(sql)).rows;

function job(name: string, target: string, more = ''): Promise<string> {
  return workspace.project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Tried', source: () => files('in/*.parquet', { partitionRows: 10000 }), ${more}
       targets: { ${name}: table({ ${target} }) },
     });`,
  );
}

/** What is in the database, and what holds still only if nothing was committed. */
const state = () =>
  rows(`select (select count(*) from pg_class where relnamespace = 'public'::regnamespace) as relations,
    (select count(*) from drayage.runs) as runs, (select count(*) from drayage.loads) as loads`);

beforeAll(async () => {
  await workspace.project.write('in/.keep', '');
  for (const part of [0, 1, 2, 3]) {
    // One value of 128 is too large for the column.
    const query = `select i + ${part * 20_480} as id, case when i % 128 = 7 then 70000 else i % 1000 end as small, repeat('x', 50) as note
      from range(20480) t(i)`;
    await writeParquet(duck, query, `${workspace.project.root}/in/${part}.parquet`, 10_240);
  }
  await workspace.project.dray(['db', 'up']);
});
beforeEach(async () => {
  await workspace.database.pool.query(
    'drop table if exists kept; create table kept (id bigint primary key, small smallint, note text)',
  );
});

test('a sample predicts rows, rejects, time and size of what a run then does, and leaves nothing behind', async () => {
  await job('kept', `key: ['id'], mode: 'upsert'`);
  const before = await state();
  const { sample } = await json('plan', 'kept', '--sample', '2');
  expect(await state()).toEqual(before);
  expect(await rows('select count(*) from kept')).toEqual([{ count: 0 }]);
  expect(sample).toMatchObject({
    of: 8,
    tried: [{ rows: { read: 10_240, written: 10_160, rejected: 80 }, problem: null }, { rows: { read: 10_240 } }],
    rejects: [{ column: 'small', rows: 160, example: { row: 8 } }],
    predicted: { rejected: 640, rows: 81_920, failed_partitions: 0 },
  });
  const report = await json('run', 'kept');
  expect(report.rows).toMatchObject({ read: sample.predicted.rows, rejected: sample.predicted.rejected });
  const [{ size }] = await rows(`select pg_total_relation_size('kept') as size`);
  expect(sample.predicted.grown_bytes / size).toBeGreaterThan(0.7);
  expect(sample.predicted.grown_bytes / size).toBeLessThan(1.4);
  expect((await json('plan', 'kept', '--sample', '2')).sample).toMatchObject({ of: 0, tried: [], predicted: null });
});

describe('every mode can be tried', () => {
  test.each([
    ['inferred', `createTable: 'infer', key: ['id'], mode: 'upsert'`],
    ['kept', `mode: 'append'`],
    ['kept', `mode: 'replace'`],
    ['kept', `key: ['id'], mode: 'merge', complete: true`],
  ])('%s with %s', async (name, target) => {
    await workspace.database.pool.query(`insert into kept select i, 1, '' from generate_series(1, 10) i`);
    await job(name, target);
    const before = await state();
    const { sample } = await json('plan', name, '--sample', '1');
    expect(sample.tried).toMatchObject([{ problem: null, rows: { read: 10_240 } }]);
    expect(await state()).toEqual(before);
    expect(await rows('select count(*) from kept')).toEqual([{ count: 10 }]);
  });
});

test('partitions that would fail say why, what waits for the commit included', async () => {
  await job('kept', `mode: 'append'`, 'maxRejects: 10,');
  const strict = await workspace.project.dray(['plan', 'kept', '--sample', '2']);
  expect(strict).toMatchObject({ code: 1, stdout: expect.stringMatching(/maxRejects allows 10/) });
  expect(strict.stdout).toMatch(/None of them could be loaded/);
  await job('kept', `mode: 'append'`);
  await workspace.database.pool.query(`
    create table parents (id bigint primary key);
    alter table kept add foreign key (id) references parents deferrable initially deferred`);
  const { sample } = await json('plan', 'kept', '--sample', '1');
  expect(sample.tried).toHaveLength(1);
  expect(sample.tried[0].rows.rejected + (sample.tried[0].problem === null ? 0 : 1)).toBeGreaterThan(0);
  await workspace.database.pool.query('drop table kept, parents');
});
