import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { useWorkspace } from '../helpers/workspace.ts';

let project: TestProject;
let database: TestDatabase;

const duck = useWorkspace(async (opened) => {
  ({ project, database } = opened);
  const job = (name: string, options = '') =>
    project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'People', params: { path: { type: 'string' } },
         source: ({ path }) => files(path${options}), targets: { people: table({ ddl: 'people.sql' }) },
       });`,
    );
  await job('people');
  await job('lines', `, { columns: { id: 'bigint', name: 'varchar', age: 'integer' } }`);
  await project.write(
    'sql/targets/people.sql',
    'create table people (id bigint not null, name varchar(10), age smallint, note text)',
  );
});

async function rejectsOf(run: number) {
  const { rows } = await database.pool.query(
    `select r.row_number as row, r.column_name as column, r.reason, r.raw, p.key as partition
     from drayage.rejects r join drayage.partitions p on p.id = r.partition_id where r.run_id = $1 order by r.row_number`,
    [run],
  );
  return rows;
}

test('rows that cannot be encoded are kept with row, column, reason and content; the rest loads', async () => {
  const bad = `case i when 3 then null else i end::bigint as id,
    case i when 4 then 'a' || chr(0) || 'b' when 5 then repeat('é', 11) when 6 then repeat('é', 10) else 'n' || i end as name,
    case i when 7 then 40000 else i end::int as age,
    case i when 8 then '\\xFF'::blob else encode('ü' || i) end as note`;
  await writeParquet(duck, `select ${bad} from range(10) t(i)`, `${project.root}/people.parquet`);
  const finished = await project.dray(['run', 'people', '--param', 'path=people.parquet', '--json']);
  expect(finished.code).toBe(1);
  const report = JSON.parse(finished.stdout);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 10, written: 5, rejected: 5 } });
  expect(await rejectsOf(report.run)).toEqual([
    {
      row: 4,
      column: 'id',
      reason: 'null_not_allowed',
      partition: 'people.parquet#rows=1-10',
      raw: { id: null, name: 'n3', age: 3, note: 'ü3' },
    },
    {
      row: 5,
      column: 'name',
      reason: 'nul_in_text',
      partition: 'people.parquet#rows=1-10',
      raw: expect.objectContaining({ name: 'a\0b' }),
    },
    {
      row: 6,
      column: 'name',
      reason: 'too_long',
      partition: 'people.parquet#rows=1-10',
      raw: expect.objectContaining({ id: 5 }),
    },
    {
      row: 8,
      column: 'age',
      reason: 'out_of_range',
      partition: 'people.parquet#rows=1-10',
      raw: expect.objectContaining({ age: 40000 }),
    },
    {
      row: 9,
      column: 'note',
      reason: 'invalid_utf8',
      partition: 'people.parquet#rows=1-10',
      raw: expect.objectContaining({ note: { base64: '/w==' } }),
    },
  ]);
  const { rows } = await database.pool.query('select id, name, note from people order by id');
  expect(rows.map(({ id }) => Number(id))).toEqual([0, 1, 2, 6, 9]);
  expect(rows[3]).toMatchObject({ name: 'é'.repeat(10), note: 'ü6' });

  const listed = JSON.parse((await project.dray(['rejects', String(report.run), '--json'])).stdout);
  expect(listed.rejects).toHaveLength(5);
  expect(listed.rejects[0]).toMatchObject({ file: 'people.parquet', row: 4, column: 'id', reason: 'null_not_allowed' });
  const summary = await project.dray(['rejects', String(report.run), '--summary']);
  expect(summary.stdout).toMatch(/nul_in_text/);
});

test('rejects keep every digit, wherever they are shown; options that do not go together are told', async () => {
  await writeParquet(
    duck,
    `select 1::bigint as id, 'a' || chr(0) as name, '12345678901234567890.0123456789'::decimal(38,10) as exact,
       repeat('long', 5_000_000) as note`,
    `${project.root}/digits.parquet`,
  );
  await database.pool.query('create table digits (id bigint, name text, exact numeric, note text)');
  await project.write(
    'jobs/digits.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'digits', description: 'Digits', source: () => files('digits.parquet'), targets: { digits: table() },
     });`,
  );
  const { run } = JSON.parse((await project.dray(['run', 'digits', '--json'])).stdout);
  const shown = (...args: string[]) => project.dray(['rejects', String(run), ...args]);
  expect((await shown()).stdout).toMatch(/"exact":12345678901234567890.0123456789/);
  expect((await shown('--json')).stdout).toMatch(/"exact": 12345678901234567890.0123456789,/);
  for (const file of ["it's.jsonl", 'left.parquet']) expect((await shown('--export', file)).code).toBe(0);
  expect(await readFile(`${project.root}/it's.jsonl`, 'utf8')).toMatch(/"exact":12345678901234567890.0123456789,/);
  const [raw] = await duck.use((connection) =>
    query(connection, `select left(raw, 90) as raw, length(raw) > 2e7 as whole from '${project.root}/left.parquet'`),
  );
  expect(raw).toEqual({ raw: expect.stringContaining('"exact":12345678901234567890.0123456789'), whole: true });
  expect(await shown('--export', 'nowhere/left.parquet')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/nowhere\/left\.parquet cannot be written/),
  });
  for (const args of [['--summary', '--replay'], ['--force']]) {
    expect(await shown(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(args[0]!) });
  }
});

test('a row behind a filter is still named by its place in the file', async () => {
  await writeParquet(
    duck,
    `select i as id, if(i = 77, 'a' || chr(0), 'n') as name from range(100) t(i)`,
    `${project.root}/some.parquet`,
  );
  await project.write(
    'jobs/filtered.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'filtered', description: 'Some', source: () => files('some.parquet'),
       transform: sql\`select id, name from source where id % 7 = 0 order by id desc\`, targets: { people: table() },
     });`,
  );
  const report = JSON.parse((await project.dray(['run', 'filtered', '--json'])).stdout);
  expect(report).toMatchObject({ rows: { read: 15, written: 14, rejected: 1 } });
  expect(await rejectsOf(report.run)).toMatchObject([{ row: 78, reason: 'nul_in_text' }]);
});

test('thousands of rejects in one partition are all kept', async () => {
  await writeParquet(
    duck,
    `select i as id, if(i % 2 = 0, 'a' || chr(0), 'n') as name from range(9000) t(i)`,
    `${project.root}/many.parquet`,
  );
  const report = JSON.parse((await project.dray(['run', 'people', '--param', 'path=many.parquet', '--json'])).stdout);
  expect(report).toMatchObject({ rows: { read: 9000, written: 4500, rejected: 4500 } });
  expect(await rejectsOf(report.run)).toHaveLength(4500);
});

test('bad lines of JSON Lines are rejected by their numbers; blank ones are skipped', async () => {
  const lines = [
    '{"id": 1, "name": "a", "age": 12345678901}',
    '',
    '{"id": 2, "name": "b"',
    '{"id": 3, "name": "c \\u00e9", "unknown": [1]}',
    '[1, 2]',
    '{"id": "x", "name": "d"}',
    '   ',
    '{"id": 9007199254740993, "name": "big"}',
  ];
  const bytes = Buffer.concat([
    Buffer.from(`${lines.join('\r\n')}\n`),
    Buffer.from('{"id": 4, "name": "\xff"}\n{"id": 5, "name": null}', 'latin1'),
  ]);
  await project.write('people.jsonl', bytes);
  await database.pool.query('truncate people');
  const report = JSON.parse((await project.dray(['run', 'lines', '--param', 'path=people.jsonl', '--json'])).stdout);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 8, written: 3, rejected: 5 } });
  expect(await rejectsOf(report.run)).toMatchObject([
    { row: 1, reason: 'wrong_type' },
    { row: 3, reason: 'invalid_json', raw: '{"id": 2, "name": "b"' },
    { row: 5, reason: 'invalid_json' },
    { row: 6, reason: 'wrong_type' },
    { row: 9, reason: 'invalid_utf8', raw: { base64: expect.any(String) } },
  ]);
  const { rows } = await database.pool.query('select id::text, name from people order by id');
  expect(rows).toEqual([
    { id: '3', name: 'c é' },
    { id: '5', name: null },
    { id: '9007199254740993', name: 'big' },
  ]);
});
