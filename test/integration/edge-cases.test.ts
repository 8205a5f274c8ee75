import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { useWorkspace } from '../helpers/workspace.ts';

let project: TestProject;
let database: TestDatabase;

const duck = useWorkspace((opened) => {
  ({ project, database } = opened);
});

async function load(
  name: string,
  ddl: string,
  query: string,
  { env = {}, file = `${name}.parquet`, transform = 'select * from source' } = {},
) {
  await database.pool.query(ddl);
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', source: () => files('${file}'), transform: sql\`${transform}\`, targets: { ${name}: table() },
     });`,
  );
  await project.write(file.replace(/[^/]*$/, '.keep'), '');
  await writeParquet(duck, query, `${project.root}/${file}`);
  const finished = await project.dray(['run', name, '--json'], env);
  return JSON.parse(finished.stdout || finished.stderr);
}

const select = async (query: string) => (await database.pool.query(query)).rows;

test('a time without a zone is the same wherever the worker runs', async () => {
  const zone = { TZ: 'America/New_York', PGTZ: 'America/New_York' };
  const query = `select timestamp '2024-03-10 02:30:00' as at, timestamptz '2024-03-10 02:30:00+00' as moment`;
  const report = await load('zones', 'create table zones (at timestamp, moment timestamptz)', query, { env: zone });
  expect(report.state).toBe('succeeded');
  expect(await select(`select at::text, (moment at time zone 'UTC')::text as moment from zones`)).toEqual([
    { at: '2024-03-10 02:30:00', moment: '2024-03-10 02:30:00' },
  ]);
});

test('a key that is too large for its index is a reject, and the others load', async () => {
  const query = `select if(i = 5, array_to_string([md5((i * 1000 + n)::varchar) for n in range(200)], ''), 'key ' || i) as key
    from range(10) t(i)`;
  const report = await load('keys', 'create table keys (key text primary key)', query);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { written: 9, rejected: 1 } });
  expect(await select('select row_number::int as row, reason from drayage.rejects')).toEqual([
    { row: 6, reason: 'too_large' },
  ]);
});

test('numbers beyond 64 bits and dates beyond the usual keep every digit', async () => {
  // A sum of integers is a HUGEINT, which a Parquet file of DuckDB's would hold as a double.
  const transform = 'select *, 170141183460469231731687303715884105727::hugeint as huge from source';
  const query = `select 18446744073709551615::ubigint as big,
    date '20240-01-01' as late, date 'infinity' as never, '9007199254740993' as exact, '{"n": 12345678901234567890}'::json as doc`;
  const ddl = 'create table digits (huge numeric, big numeric, late date, never date, exact numeric, doc jsonb)';
  expect(await load('digits', ddl, query, { transform })).toMatchObject({ state: 'succeeded' });
  expect(
    await select('select huge::text, big::text, late::text, never::text, exact::text, doc::text from digits'),
  ).toEqual([
    {
      huge: '170141183460469231731687303715884105727',
      big: '18446744073709551615',
      late: '20240-01-01',
      never: 'infinity',
      exact: '9007199254740993',
      doc: '{"n": 12345678901234567890}',
    },
  ]);
});

test('folders that look like keys and values add no columns', async () => {
  const report = await load('plain', 'create table plain (id int)', 'select 1 as id', {
    file: 'month=01/region=NULL/plain.parquet',
  });
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 1 } });
});

test('partitioned tables, children of others, and dropped columns are loaded as any other', async () => {
  await database.pool.query(`
    create table parted (id int, day date) partition by range (day);
    create table parted_2024 partition of parted for values from ('2024-01-01') to ('2025-01-01');
    create table parents (id int, gone text, name text);
    alter table parents drop column gone;
    create table children (extra int) inherits (parents);`);
  const parted = await load(
    'parted',
    'select',
    `select i::int as id, date '2024-12-30' + i::int as day from range(4) t(i)`,
  );
  expect(parted).toMatchObject({ rows: { written: 2, rejected: 2 } });
  expect(await load('children', 'select', `select 1 as id, 'a' as name, 2 as extra`)).toMatchObject({
    rows: { written: 1 },
  });
  expect(await load('parents', 'select', `select 2 as id, 'b' as name`)).toMatchObject({ rows: { written: 1 } });
  expect(await select('select id, name from parents order by id')).toEqual([
    { id: 1, name: 'a' },
    { id: 2, name: 'b' },
  ]);
});

test('a table without columns is refused with the column that has nowhere to go', async () => {
  const report = await load('nothing', 'create table nothing ()', 'select 1 as id');
  expect(report).toMatchObject({ error: { code: 'TARGET_INVALID', where: { column: 'id' } } });
});
