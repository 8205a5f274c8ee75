import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { writeParquet } from '../helpers/duck.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

/** Names with everything that SQL, TypeScript or a template literal could stumble over. */
const ODD =
  'Order ID,Country Name,order,Amount €,"back`tick $\u{7b}x} \\n ""q""",2020\n1,DE,2,2.5,a,1\n2,FR,3,3.25,b,2\n';

let workspace: Workspace;
const duck = useWorkspace(async (opened) => {
  workspace = opened;
  await opened.project.write('data/odd orders.csv', ODD);
});
const dray = (...args: string[]) => workspace.project.dray(args);
const json = async (...args: string[]) => JSON.parse((await dray(...args, '--json')).stdout);
const rows = async (sql: string) => (await workspace.database.pool.query(sql)).rows;
const read = (path: string) => readFile(join(workspace.project.root, path), 'utf8');

beforeEach(async () => {
  await workspace.database.pool.query('drop table if exists odd_orders, orders, measures, copied');
});

test('a CSV file with odd names becomes a job that runs at once, and again', async () => {
  const made = await json('init', '--from', 'data/odd orders.csv', '--key', 'order_id', '--overwrite');
  expect(made).toMatchObject({ job: 'odd-orders', files: ['jobs/odd-orders.ts', 'sql/targets/odd_orders.sql'] });
  expect(await json('run', 'odd-orders')).toMatchObject({ state: 'succeeded', rows: { written: 2, rejected: 0 } });
  expect(await rows('select order_id, country_name, "order", amount from odd_orders order by 1')).toEqual([
    { order_id: 1, country_name: 'DE', order: 2, amount: '2.50' },
    { order_id: 2, country_name: 'FR', order: 3, amount: '3.25' },
  ]);
  await workspace.project.write(
    'data/more.csv',
    ODD.replace('2,FR,3,3.25', '2,GB,3,1234567.25').replace('1,DE', 'x,DE'),
  );
  expect(await json('run', 'odd-orders', '--param', 'path=data/more.csv')).toMatchObject({
    state: 'completed_with_rejects',
    rows: { written: 1, rejected: 1 },
  });
  expect(await rows('select country_name from odd_orders where order_id = 2')).toEqual([{ country_name: 'GB' }]);
});

test('a file whose fields are separated by semicolons is read so by a new job, and not taken for one column by a copy', async () => {
  await workspace.project.write('data/semicolons.csv', 'id;name;note\n1;a;"b;c"\n2;d;\n');
  await json('init', '--from', 'data/semicolons.csv', '--to', 'orders', '--key', 'id', '--overwrite');
  expect(await json('run', 'orders')).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(await rows('select id, name, note from orders order by id')).toEqual([
    { id: 1, name: 'a', note: 'b;c' },
    { id: 2, name: 'd', note: null },
  ]);
  const copy = ['copy', 'data/semicolons.csv', '--to', 'copied'];
  expect(await dray(...copy)).toMatchObject({ code: 2, stderr: expect.stringMatching(/--param csv\.delimiter=';'/) });
  await json(...copy, '--param', 'csv.delimiter=,');
  expect(await rows('select * from copied')).toEqual([{ 'id;name;note': '2;d;' }]);
});

test('what is there is kept unless it may be replaced', async () => {
  await dray('init', '--from', 'data/odd orders.csv', '--overwrite');
  const before = await read('jobs/odd-orders.ts');
  const again = ['init', '--from', 'data/odd orders.csv', '--key', 'order_id'];
  expect(await dray(...again)).toMatchObject({ code: 2, stderr: expect.stringMatching(/are there already/) });
  expect(await read('jobs/odd-orders.ts')).toBe(before);
  expect(await dray(...again, '--overwrite')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/dray run odd-orders/),
  });
});

test('a table that is there gets the columns that are called like its own, of its types and by its key', async () => {
  await workspace.database.pool.query(
    `create table orders (id serial, "orderId" text primary key, country_name varchar(10), amount numeric, noted timestamptz default now())`,
  );
  expect(await json('init', 'old-orders', '--from', 'data/odd orders.csv', '--to', 'orders')).toMatchObject({
    key: ['orderId'],
    unfilled: ['id', 'noted'],
    files: ['jobs/old-orders.ts'],
  });
  expect(await json('run', 'old-orders')).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(await rows('select "orderId", amount from orders order by 1')).toEqual([
    { orderId: '1', amount: '2.50' },
    { orderId: '2', amount: '3.25' },
  ]);
});

test('Parquet with nested columns, and a table of Postgres, become jobs that run', async () => {
  const query = `select i as "measureId", {'a': i, 'b': [i]} as detail, i * 1.5 as value, now()::timestamp as at from range(10) t(i)`;
  await writeParquet(duck, query, `${workspace.project.root}/data/measures.parquet`, 2048);
  await workspace.database.pool.query('create table copied (measure_id text, value numeric)');
  await json('init', '--from', 'data/measures.parquet', '--key', 'measure_id');
  expect(await json('run', 'measures')).toMatchObject({ state: 'succeeded', rows: { written: 10 } });
  await json('init', '--from-table', 'measures', '--to', 'copied');
  expect(await read('jobs/copied.ts')).toContain('"measure_id"::VARCHAR as "measure_id"');
  expect(await json('run', 'copied')).toMatchObject({ state: 'succeeded', rows: { written: 10 } });
});

describe('what cannot be is refused, and nothing is written', () => {
  test.each([
    [['--from', 'data/nope.csv'], /There is no file data\/nope\.csv/],
    [[], /Neither --from nor --from-table is given/],
    [['--from', 'a', '--from-table', 'b'], /A job has one source/],
    [['--from', 'data/odd orders.csv', '--key', 'ordr_id'], /Did you mean "order_id"/],
    [['Bad Name', '--from', 'data/odd orders.csv'], /name/],
    [['--from-table', 'no_such_table'], /no_such_table/],
  ])('%j', async (args, message) => {
    expect(await dray('init', ...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});
