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

async function job(name: string, target: string, path = `${name}.parquet`) {
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', source: () => files('${path}'), targets: { ${name}: table(${target}) },
     });`,
  );
}

const parquet = (name: string, query: string) => writeParquet(duck, query, `${project.root}/${name}.parquet`);

async function run(name: string, ...flags: string[]) {
  const finished = await project.dray(['run', name, '--json', ...flags]);
  return { ...JSON.parse(finished.stdout || finished.stderr), code: finished.code };
}

async function select(query: string) {
  return (await database.pool.query(query)).rows;
}

async function columnsOf(table: string) {
  const rows = await select(
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = '${table}'::regclass and attnum > 0 order by attnum`,
  );
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

test('a table is made from the columns of all files together, and shown beforehand', async () => {
  await job('drift', `{ createTable: 'infer', key: ['id'] }`, 'drift-*.parquet');
  await parquet(
    'drift-1',
    `select 1::int as id, 1.5::float as a, 12.34::decimal(4,2) as price, [1,2]::int[] as list, {x: 1} as point`,
  );
  await parquet('drift-2', `select 2::bigint as id, 2.5::double as a, 123.4::decimal(4,1) as price, 'late' as note`);
  const plan = await project.dray(['plan', 'drift', '--ddl']);
  expect(plan.stdout).toContain('create table "drift" (\n  "id" bigint not null,\n  "a" double precision,');
  expect(await select(`select to_regclass('drift') as there`)).toEqual([{ there: null }]);
  expect(await run('drift')).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(await columnsOf('drift')).toEqual({
    id: 'bigint',
    a: 'double precision',
    price: 'numeric(5,2)',
    list: 'integer[]',
    point: 'jsonb',
    note: 'text',
  });
  expect(await select('select id::int, list, point, note from drift order by id')).toEqual([
    { id: 1, list: [1, 2], point: { x: 1 }, note: null },
    { id: 2, list: null, point: null, note: 'late' },
  ]);
});

test('where no file can be read there is no table to show', async () => {
  await job('damaged', `{ createTable: 'infer' }`);
  await project.write('damaged.parquet', 'PAR1 and no more');
  const plan = await project.dray(['plan', 'damaged', '--ddl', '--json']);
  expect(plan.code).toBe(2);
  expect(JSON.parse(plan.stdout)).toMatchObject({ error: { code: 'SOURCE_INVALID' } });
});

test('long names are cut and told apart; the plan says so', async () => {
  const long = 'a'.repeat(70);
  await job('longname', `{ createTable: 'infer' }`);
  await parquet('longname', `select 1 as "${long}1", 2 as "${long}2"`);
  expect(await run('longname')).toMatchObject({ state: 'succeeded' });
  const names = Object.keys(await columnsOf('longname'));
  expect(names).toHaveLength(2);
  for (const name of names) expect(name).toMatch(/^a{54}_[0-9a-f]{8}$/);
  expect((await project.dray(['plan', 'longname'])).stdout).toContain(`from "${long}1"`);
});

test('columns that a table lacks are an error, or are added where the target evolves', async () => {
  await database.pool.query('create table evolving (id int)');
  await parquet('evolving', `select 1 as id, date '2020-01-01' as day`);
  await job('evolving', '{}');
  expect(await run('evolving')).toMatchObject({ code: 2, error: { code: 'TARGET_INVALID', where: { column: 'day' } } });
  await job('evolving', '{ evolve: true }');
  expect(await run('evolving')).toMatchObject({ state: 'succeeded', rows: { written: 1 } });
  expect(await columnsOf('evolving')).toEqual({ id: 'integer', day: 'date' });
});

const wide = (count: number, type: string) =>
  Array.from({ length: count }, (_, column) => `(i + ${column})::${type} as c${column}`).join(', ');

test('a row that fits into no page is seen beforehand', async () => {
  await parquet('wide', `select i::int as id, ${wide(1200, 'double')} from range(20) t(i)`);
  await job('wide', `{ createTable: 'infer', key: ['id'] }`);
  const refused = await run('wide');
  expect(refused).toMatchObject({ code: 2, error: { code: 'TARGET_INVALID' } });
  expect(refused.error.message).toMatch(/1201 columns takes \d+ bytes, and a page holds 8160/);
  expect(refused.error.hint).toMatch(/pack.*split/);
});

test('wide data is packed into one column, or spread over several tables', async () => {
  await parquet('packed', `select i::int as id, ${wide(1667, 'double')} from range(20) t(i)`);
  await job('packed', `{ createTable: 'infer', key: ['id'], pack: { into: 'data', as: 'array' } }`);
  const packed = await run('packed');
  expect(packed).toMatchObject({ state: 'succeeded', rows: { written: 20 } });
  expect(packed.coercions).toEqual([{ table: 'public.packed', column: 'data', loss: 'packed', rows: 20 }]);
  expect(await select('select cardinality(data) as n, data[1667] as last from packed where id = 3')).toEqual([
    { n: 1667, last: 1669 },
  ]);
  await database.pool.query('drop table packed');

  await job('packed', `{ createTable: 'infer', key: ['id'], pack: { into: 'data', as: 'jsonb' } }`);
  expect(await run('packed')).toMatchObject({ state: 'succeeded' });
  expect(await select(`select data->'c1666' as last from packed where id = 3`)).toEqual([{ last: 1669 }]);

  await job('spread', `{ createTable: 'infer', key: ['id'], split: true }`, 'packed.parquet');
  const spread = await run('spread');
  expect(spread).toMatchObject({ state: 'succeeded', rows: { read: 40, written: 40 } });
  expect(await select('select c0, c1666 from spread join spread_2 using (id) where id = 3')).toEqual([
    { c0: 3, c1666: 1669 },
  ]);
  expect(await run('spread')).toMatchObject({ state: 'succeeded', partitions: { skipped: 1 } });
});

test('what a column may lose is allowed by name, and counted; everything else is a reject', async () => {
  await database.pool.query(
    'create table losses (id int, moment timestamp, milli timestamp(3), price numeric(6,2), note text, ratio real, data jsonb)',
  );
  await parquet(
    'losses',
    `select * from (values
       (1, '2020-01-01 00:00:00.123456789'::timestamp_ns, '2020-01-01 00:00:00.5'::timestamp, 1.005::decimal(6,3), 'a' || chr(0) || 'b', 0.1::double, '{"a":"\\u0000"}'),
       (2, '2020-01-01 00:00:00.123456'::timestamp_ns, '2020-01-01 00:00:00.1239'::timestamp, -1.995::decimal(6,3), 'ab', 0.5::double, '{}')
     ) v(id, moment, milli, price, note, ratio, data)`,
  );
  await job(
    'losses',
    `{ allow: { milli: 'truncate', price: 'round', note: 'strip_nul', ratio: 'round', data: 'replace_nul' } }`,
  );
  const strict = await run('losses');
  expect(strict).toMatchObject({ state: 'completed_with_rejects', rows: { written: 1, rejected: 1 } });
  expect(await select(`select column_name as c, reason from drayage.rejects`)).toEqual([
    { c: 'moment', reason: 'digits_lost' },
  ]);
  await database.pool.query('truncate losses');
  await job(
    'losses',
    `{ allow: { moment: 'truncate', milli: 'truncate', price: 'round', note: 'strip_nul', ratio: 'round', data: 'replace_nul' } }`,
  );
  const loose = await run('losses', '--force');
  expect(loose).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  const coerced = (column: string, loss: string) => ({ table: 'public.losses', column, loss, rows: 1 });
  expect(loose.coercions).toEqual([
    coerced('data', 'replace_nul'),
    coerced('milli', 'truncate'),
    coerced('moment', 'truncate'),
    coerced('note', 'strip_nul'),
    { ...coerced('price', 'round'), rows: 2 },
    coerced('ratio', 'round'),
  ]);
  expect(
    await select('select moment::text, milli::text, price::text, note, ratio::text, data from losses order by id'),
  ).toEqual([
    {
      moment: '2020-01-01 00:00:00.123456',
      milli: '2020-01-01 00:00:00.5',
      price: '1.01',
      note: 'ab',
      ratio: '0.1',
      data: { a: '\ufffd' },
    },
    {
      moment: '2020-01-01 00:00:00.123456',
      milli: '2020-01-01 00:00:00.123',
      price: '-2.00',
      note: 'ab',
      ratio: '0.5',
      data: {},
    },
  ]);
  expect((await project.dray(['status', String(loose.run)])).stdout).toMatch(
    /allowed +round changed 2 rows in public\.losses\.price/,
  );
});

test('a column of money is refused with what to do about it', async () => {
  await database.pool.query('create table cash (amount money)');
  await parquet('cash', 'select 1.5::decimal(5,2) as amount');
  await job('cash', '{}');
  const refused = await run('cash');
  expect(refused).toMatchObject({
    code: 2,
    error: { code: 'TYPE_UNMAPPED', hint: expect.stringContaining('numeric') },
  });
});
