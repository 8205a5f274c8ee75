import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;

beforeAll(async () => {
  project = await TestProject.create();
  await project.write(
    'jobs/items.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'items', description: 'Items', source: () => files('items.parquet', { partitionRows: 5000 }),
       targets: { '"Items"': table({ ddl: 'items.sql', mode: 'upsert', key: ['shopId', 'item no'] }) },
     });`,
  );
  await project.write(
    'sql/targets/items.sql',
    `create table "Items" (
       "shopId" int, "item no" int, "Name" text, price numeric(10,2), extra json,
       serial bigint generated always as identity, shout text generated always as (upper("Name")) stored,
       noted_at timestamptz default now(), primary key ("shopId", "item no"))`,
  );
});
beforeEach(async () => {
  await database?.drop();
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
});
afterAll(async () => {
  await duck.close();
  await database.drop();
  await project.remove();
});

/** @param changed a condition on i under which the price is another */
async function writeItems(changed: string, rows = 10_000): Promise<void> {
  await writeParquet(
    duck,
    `select (i % 10)::int as "shopId", (i // 10)::int as "item no", 'item ' || i as "Name",
       (i / 100 + if(${changed}, 1, 0))::decimal(10,2) as price, {'i': i}::json as extra from range(${rows}) t(i)`,
    `${project.root}/items.parquet`,
    2048,
  );
}

async function runItems(...flags: string[]) {
  const finished = await project.dray(['run', 'items', '--json', ...flags]);
  expect(finished.stderr).toBe('');
  const report = JSON.parse(finished.stdout);
  const { read, written, unchanged, superseded, rejected } = report.rows;
  expect(read).toBe(written + unchanged + superseded + rejected);
  return report;
}

test('a second run of the same content reads nothing; --force reads it and changes no row', async () => {
  await writeItems('false');
  expect(await runItems()).toMatchObject({ state: 'succeeded', rows: { read: 10_000, written: 10_000 } });
  const before = await database.pool.query(`select "shopId", "item no", xmin, shout from "Items" order by 1, 2`);
  expect(before.rows[0]).toMatchObject({ shout: 'ITEM 0' });
  const again = await runItems();
  expect(again).toMatchObject({ state: 'succeeded', rows: { read: 0 } });
  expect(again.partitions.skipped).toBe(again.partitions.total);
  expect(await runItems('--force')).toMatchObject({ rows: { read: 10_000, written: 0, unchanged: 10_000 } });
  const after = await database.pool.query(`select "shopId", "item no", xmin, shout from "Items" order by 1, 2`);
  expect(after.rows).toEqual(before.rows);
});

test('of changed content only the changed rows are written', async () => {
  await writeItems('false');
  await runItems();
  await writeItems('i % 100 = 0', 10_500);
  expect(await runItems()).toMatchObject({ rows: { read: 10_500, written: 600, unchanged: 9_900 } });
  const { rows } = await database.pool.query(`select count(*)::int as rows, sum(price)::text as prices from "Items"`);
  const prices = Array.from({ length: 10_500 }, (_, i) => i + (i % 100 === 0 ? 100 : 0)).reduce((a, b) => a + b) / 100;
  expect(rows).toEqual([{ rows: 10_500, prices: prices.toFixed(2) }]);
});

test('of rows with the same key in a partition the last one wins, and the others are counted', async () => {
  await writeParquet(
    duck,
    `select 1 as "shopId", (i % 100)::int as "item no", 'version ' || i as "Name" from range(1000) t(i)`,
    `${project.root}/items.parquet`,
  );
  expect(await runItems()).toMatchObject({ rows: { read: 1000, written: 100, superseded: 900 } });
  const { rows } = await database.pool.query(`select "Name" as name from "Items" order by "item no" limit 2`);
  expect(rows).toEqual([{ name: 'version 900' }, { name: 'version 901' }]);
});
