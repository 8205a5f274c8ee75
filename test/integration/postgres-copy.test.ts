import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

let project: TestProject;
let shop: TestDatabase;
let database: TestDatabase;

beforeAll(async () => {
  [shop, database] = await Promise.all([createDatabase(), createDatabase()]);
  project = await TestProject.create(database.url);
  project.env.SHOP_URL = shop.url;
  await shop.pool.query(`
    create type mood as enum ('sad', 'happy');
    create table orders (id bigint primary key, price numeric, weight numeric(9,3), took interval, ip inet, code char(4),
      tags text[], data json, feels mood, location point, at timestamptz) with (autovacuum_enabled = off);
    insert into orders select i, i / 3.0, i / 1000.0, i * interval '1 minute', ('10.0.0.' || i % 250)::inet, i % 100,
      array['a', null, i::text], '{"a": 1, "a": 2}', 'happy', point(i, 1), timestamptz 'epoch' + i * interval '1 day'
      from generate_series(1, 6000) i`);
});
afterAll(async () => {
  await project.remove();
  await Promise.all([shop.drop(), database.drop()]);
});

const copy = async (...args: string[]) => {
  const { code, stdout, stderr } = await project.dray(['copy', ...args, '--json']);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
};

test('a table goes from one database into another with its types, and again only what has changed', async () => {
  const args = [
    '--table',
    'orders',
    '--from',
    'SHOP_URL',
    '--to',
    'orders',
    '--key',
    'id',
    '--param',
    'partitionRows=1500',
  ];
  const first = await copy(...args);
  expect(first).toMatchObject({ state: 'succeeded', rows: { read: 6000, written: 6000, rejected: 0 } });
  expect(first.partitions.total).toBeGreaterThan(3);
  const types = await database.pool.query(
    `select array_agg(format_type(atttypid, atttypmod) order by attnum) as types from pg_attribute where attrelid = 'orders'::regclass and attnum > 0`,
  );
  expect(types.rows[0].types).toEqual([
    ...['bigint', 'numeric', 'numeric(9,3)', 'interval', 'inet', 'character(4)', 'text[]', 'json'],
    // Types that only the other database has, and those that cannot be loaded.
    ...['text', 'text', 'timestamp with time zone'],
  ]);
  const sums = [];
  for (const { pool } of [shop, database]) {
    const client = await pool.connect();
    const list = 'id, price, weight, took, ip, code, tags, data::text, feels::text, location::text, at';
    sums.push(await checksumOfQuery(client, `select ${list} from orders`));
    client.release();
  }
  expect(sums[1]).toEqual(sums[0]);
  expect(await project.dray(['verify', '--sample', '20'])).toMatchObject({ code: 0 });

  expect(await copy(...args)).toMatchObject({ partitions: { skipped: first.partitions.total }, rows: { written: 0 } });
  await shop.pool.query(`update orders set price = 7 where id = 5990`);
  const third = await copy(...args);
  expect(third).toMatchObject({ partitions: { done: 1, skipped: first.partitions.total - 1 }, rows: { written: 1 } });
  expect((await database.pool.query('select price from orders where id = 5990')).rows).toEqual([{ price: '7' }]);
  const kept = await database.pool.query(`select json_agg(r)::text as runs from drayage.runs r`);
  expect(kept.rows[0].runs).not.toContain(new URL(shop.url).pathname);
});

test('a query goes into a table, and DuckDB takes it over in a job', async () => {
  const query = `select date_trunc('month', at)::date as month, sum(price) as total from orders group by 1 -- by month`;
  expect(await copy('--query', query, '--from', 'SHOP_URL', '--to', 'totals')).toMatchObject({
    rows: { written: 198 },
  });
  await project.write(
    'jobs/big-orders.ts',
    `import { defineJob, postgres, sql, table } from 'drayage';
export default defineJob({
  name: 'big-orders', description: 'Orders by days', params: {},
  source: () => postgres({ table: 'orders', database: 'SHOP_URL', by: 'at', every: 'year' }),
  transform: sql\`select id, took::interval as took, len(tags) as tags from source where weight > 5.5\`,
  targets: { big_orders: table({ createTable: 'infer', key: ['id'], mode: 'upsert' }) },
});`,
  );
  const run = await project.dray(['run', 'big-orders', '--json']);
  expect(JSON.parse(run.stdout)).toMatchObject({
    state: 'succeeded',
    partitions: { total: 17 },
    rows: { written: 500 },
  });
  const { rows } = await database.pool.query(`select took::text, tags from big_orders where id = 5501`);
  expect(rows).toEqual([{ took: '91:41:00', tags: 3 }]);
});

test.each([
  ['Ctrl-C', ['SIGINT'], 130],
  ['Ctrl-C, twice', ['SIGINT', 'SIGINT'], 130],
  ['kill -9', ['SIGKILL'], null],
] as const)('%s ends the statement at the source, and nothing is loaded', async (_, signals, code) => {
  await shop.pool.query(
    'drop table if exists slow cascade; create table slow as select i as id from generate_series(1, 500) i',
  );
  await shop.pool.query(`create view slowly as select id, pg_sleep(0.1)::text as slept from slow`);
  const child = project.spawn(['copy', '--table', 'slowly', '--from', 'SHOP_URL', '--to', 'slowly', '--key', 'id']);
  const exited = new Promise((resolve) => child.on('close', resolve));
  child.stdout.resume();
  child.stderr.resume();
  const copying = `select count(*)::int from pg_stat_activity where datname = current_database() and application_name = 'dray source' and query like 'copy%' and state = 'active'`;
  await expect.poll(async () => (await shop.pool.query(copying)).rows[0].count, { timeout: 20_000 }).toBeGreaterThan(0);
  for (const signal of signals) child.kill(signal);
  expect(await exited).toBe(code);
  const kept = `select from pg_stat_activity where datname = current_database() and application_name = 'dray snapshot'`;
  await expect.poll(async () => (await shop.pool.query(kept)).rowCount).toBe(0);
  await expect.poll(async () => (await shop.pool.query(copying)).rows[0].count, { timeout: 20_000 }).toBe(0);
  expect((await database.pool.query('select count(*)::int from slowly')).rows).toEqual([{ count: 0 }]);
});

test.each([
  [['--to', 'x'], 2, /One source is needed/],
  [['a.csv', '--table', 'orders', '--to', 'x'], 2, /One source is needed/],
  [['a.csv', '--from', 'SHOP_URL', '--to', 'x'], 2, /Leave it out for files/],
  [['--table', 'orders', '--from', 'postgresql://me:hidden@host/db', '--to', 'x'], 2, /variable of the environment/],
  [['postgres://me:hidden@host/db', '--to', 'x'], 2, /variable of the environment/],
  [['--table', 'orders', '--from', 'NO_SUCH_URL', '--to', 'x'], 2, /NO_SUCH_URL is not set/],
  [['--table', 'ordres', '--from', 'SHOP_URL', '--to', 'x'], 2, /no table or view ordres/],
  [['--query', 'selct 1', '--from', 'SHOP_URL', '--to', 'x'], 2, /line 1, column 7/],
  [['--table', 'orders', '--from', 'DEAD_URL', '--to', 'x'], 3, /Cannot connect .*DEAD_URL/s],
  [['--table', 'orders', '--from', 'SHOP_URL', '--to', 'x', '--param', 'evry=day'], 2, /Did you mean "every"/],
])('%j is refused', async (args, code, message) => {
  const env = { DEAD_URL: 'postgresql://me:hidden@localhost:1/db' };
  const refused = await project.dray(['copy', ...args], env);
  expect(refused).toMatchObject({ code, stderr: expect.stringMatching(message) });
  expect(refused.stderr).not.toContain('hidden');
});
