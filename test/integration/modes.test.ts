import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';

/** What is said about write modes beside what becomes of the rows: the road that they take, and who sees what when. */
let at: Workshop;
let database: TestDatabase;
const duck = useDrayage((workshop) => {
  at = workshop;
  ({ database } = workshop);
});

const select = async (query: string) => (await database.pool.query(query)).rows;

/** @param targets as they stand in the job @param rest of the job */
async function load(name: string, rows: string, targets: string, rest = '') {
  await writeParquet(duck, rows, `${at.project.root}/${name}.parquet`, 2048);
  await at.project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', source: () => files('${name}.parquet', { partitionRows: 2048 }),
       targets: ${targets}, ${rest}
     });`,
  );
  return at.drayage.run(name, {});
}

test('an upsert copies straight into the table as long as no key exists, and merges only what has changed then', async () => {
  await database.pool.query(`
    create table roads (id int primary key, v int); create table taken (at serial, statement text);
    create function note() returns trigger language plpgsql as
      $$ begin insert into taken (statement) values (substr(current_query(), 1, 200)); return null; end $$;
    create trigger note after insert or update on roads for each statement execute function note()`);
  const upsert = `{ roads: table({ mode: 'upsert', key: ['id'] }) }`;
  const roads = async () => (await select('delete from taken returning statement')).map(({ statement }) => statement);
  await load('roads', 'select i::int as id, 1 as v from range(500) t(i)', upsert);
  expect(await roads()).toEqual([expect.stringMatching(/copy "?public"?\."?roads"?/i)]);
  const rows = 'select i::int as id, if(i = 7, 2, 1)::int as v from range(502) t(i)';
  expect(await load('roads', rows, upsert)).toMatchObject({ rows: { written: 3, unchanged: 499 } });
  const second = await roads();
  expect(second.some((statement) => /copy "?public"?\."?roads"?/i.test(statement))).toBe(true);
  expect(second.some((statement) => /merge into/i.test(statement))).toBe(true);
  expect(await load('roads', rows, upsert)).toMatchObject({ rows: { written: 0, unchanged: 502 } });
  expect(await roads()).toEqual([]);
});

test('who reads a table while it is replaced sees the former rows or the new ones, and nothing in between', async () => {
  await database.pool.query('create table swapped as select 1 as id, i as n from generate_series(1, 7) i');
  const seen = new Set<number>();
  let stop = false;
  const reading = (async () => {
    while (!stop) seen.add((await select('select count(*)::int as n from swapped'))[0].n);
  })();
  const rows = 'select 2 as id, i::int as n from range(5000) t(i)';
  expect(await load('swapped', rows, `{ swapped: table({ mode: 'replace' }) }`)).toMatchObject({ state: 'succeeded' });
  stop = true;
  await reading;
  seen.add((await select('select count(*)::int as n from swapped'))[0].n);
  expect([...seen].sort((a, b) => a - b)).toEqual([7, 5000]);
});

test('the tables of a partition are filled together or not at all', async () => {
  await database.pool.query('create table firsts (id int); create table seconds (id int check (id <> 3000))');
  const rows = 'select i::int as id from range(4096) t(i)';
  const both = `{ firsts: table(), seconds: table() }`;
  const report = await load(
    'both',
    rows,
    both,
    'maxRejects: 0, transform: { firsts: sql`select id from source`, seconds: sql`select id from source` }',
  );
  expect(report).toMatchObject({ state: 'failed', partitions: { done: 1, failed: 1 } });
  const held = await select(
    'select (select array_agg(distinct id / 2048) from firsts) as first, (select array_agg(distinct id / 2048) from seconds) as second',
  );
  expect(held).toEqual([{ first: [0], second: [0] }]);
});

test('a merge deletes nothing when a partition failed, or the source had no row', async () => {
  await database.pool.query('create table kept (id int primary key); insert into kept values (9999)');
  const merge = `{ kept: table({ mode: 'merge', key: ['id'], complete: true }) }`;
  const failing = `transform: sql\`select if(id = 3000, error('broken'), id::varchar)::int as id from source\`, retries: 0`;
  const failed = await load('kept', 'select i::int as id from range(4096) t(i)', merge, failing);
  expect(failed).toMatchObject({ state: 'failed', partitions: { done: 1, failed: 1 } });
  expect(await select('select count(*)::int as n from kept where id = 9999')).toEqual([{ n: 1 }]);
  const none = 'transform: sql`select id from source where id < 0`';
  expect(await load('kept', 'select 1 as id', merge, none)).toMatchObject({
    state: 'succeeded',
    rows: { read: 0, deleted: 0 },
  });
  expect(await select('select count(*)::int as n from kept')).toEqual([{ n: 2049 }]);
  expect(await load('kept', 'select 1 as id', merge)).toMatchObject({ rows: { unchanged: 1, deleted: 2048 } });
});
