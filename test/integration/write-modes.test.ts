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

/** Runs a job over the rows of a DuckDB query. */
async function load(name: string, target: string, query: string, table = name, flags: string[] = []) {
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', source: () => files('${name}.parquet'), targets: { '${table}': table(${target}) },
     });`,
  );
  await writeParquet(duck, query, `${project.root}/${name}.parquet`);
  const finished = await project.dray(['run', name, '--force', '--json', ...flags]);
  return JSON.parse(finished.stdout || finished.stderr);
}

async function select(query: string) {
  return (await database.pool.query(query)).rows;
}

test('onConflict decides about keys that exist: update, ignore, error', async () => {
  await database.pool.query(`create table notes (id int primary key, note text); insert into notes values (1, 'old')`);
  const query = `select * from (values (1, 'new'), (2, 'new')) v(id, note)`;
  const ignored = await load('notes', `{ mode: 'upsert', key: ['id'], onConflict: 'ignore' }`, query);
  expect(ignored.rows).toMatchObject({ read: 2, written: 1, unchanged: 1 });
  expect(await select('select * from notes order by id')).toEqual([
    { id: 1, note: 'old' },
    { id: 2, note: 'new' },
  ]);
  const refused = await load('notes', `{ mode: 'upsert', key: ['id'], onConflict: 'error' }`, query);
  expect(refused).toMatchObject({ state: 'failed', errors: [{ code: 'LOAD_REFUSED' }] });
  expect(refused.errors[0].message).toMatch(/key exists already.*\(id\)=\(1\)/i);
  const updated = await load('notes', `{ mode: 'upsert', key: ['id'] }`, query);
  expect(updated.rows).toMatchObject({ read: 2, written: 1, unchanged: 1 });
  expect(await select('select note from notes where id = 1')).toEqual([{ note: 'new' }]);
});

test("'error' never updates a row, also when other rows have to be looked for with care", async () => {
  await database.pool.query(`
    create table strict (id int primary key, amount int check (amount > 0));
    insert into strict values (1, 1)`);
  const query = 'select * from (values (5, -5), (1, 100), (7, 7)) v(id, amount)';
  const report = await load('strict', `{ mode: 'upsert', key: ['id'], onConflict: 'error' }`, query);
  expect(report).toMatchObject({ state: 'failed', errors: [{ code: 'LOAD_REFUSED' }] });
  expect(await select('select * from strict')).toEqual([{ id: 1, amount: 1 }]);
});

test('texts that a collation calls equal are told apart, and a partial index says what it needs', async () => {
  await database.pool.query(`
    create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table users (id int primary key, name text collate loose, gone timestamp);
    create unique index on users (name) where gone is null;
    insert into users values (1, 'ann')`);
  const query = `select 1 as id, 'Ann' as name`;
  expect(await load('users', `{ mode: 'upsert', key: ['id'] }`, query)).toMatchObject({ rows: { written: 1 } });
  expect(await select('select name from users')).toEqual([{ name: 'Ann' }]);
  const refused = await load('users', `{ mode: 'upsert', key: ['name'] }`, query);
  expect(refused).toMatchObject({ error: { code: 'TARGET_INVALID', where: { column: 'gone' } } });
});

test('of rows with the same key the last wins, or that with the highest version, and never an older one', async () => {
  await database.pool.query('create table states (id int primary key, version int, state text)');
  const target = `{ mode: 'upsert', key: ['id'], version: 'version' }`;
  const first = await load(
    'states',
    target,
    `select * from (values (1, 5, 'five'), (1, 4, 'four'), (2, 1, 'one')) v(id, version, state)`,
  );
  expect(first.rows).toMatchObject({ read: 3, written: 2, superseded: 1 });
  const second = await load(
    'states',
    target,
    `select * from (values (1, 3, 'three'), (2, 2, 'two')) v(id, version, state)`,
  );
  expect(second.rows).toMatchObject({ read: 2, written: 1, unchanged: 1 });
  expect(await select('select id, state from states order by id')).toEqual([
    { id: 1, state: 'five' },
    { id: 2, state: 'two' },
  ]);
});

test('keys may be quoted, composite, partly null, and of a partial index', async () => {
  await database.pool.query(`
    create table "Mixed Case" ("Tenant Id" int, "user" text, name text, gone boolean not null,
      unique ("Tenant Id", "user"));
    create unique index only_present on "Mixed Case" (name) where not gone;
    insert into "Mixed Case" values (1, 'a', 'Ann', false), (1, null, 'Nil', true)`);
  const byKey = await load(
    'mixed',
    `{ mode: 'upsert', key: ['Tenant Id', 'user'] }`,
    `select * from (values (1, 'a', 'Anna', false), (1, null, 'Nil', true), (1, null, 'Nul', true)) v("Tenant Id", "user", name, gone)`,
    '"Mixed Case"',
  );
  // A null is equal to nothing, so both rows without a whole key are new.
  expect(byKey.rows).toMatchObject({ read: 3, written: 3, superseded: 0 });
  const byPartial = await load(
    'mixed',
    `{ mode: 'upsert', key: ['name'] }`,
    `select * from (values (2, 'x', 'Anna', false), (2, 'y', 'Nil', true)) v("Tenant Id", "user", name, gone)`,
    '"Mixed Case"',
  );
  expect(byPartial.rows).toMatchObject({ read: 2, written: 2 });
  expect(await select(`select "Tenant Id" as t, "user" as u, name from "Mixed Case" order by 1, 2, 3`)).toEqual([
    { t: 1, u: null, name: 'Nil' },
    { t: 1, u: null, name: 'Nil' },
    { t: 1, u: null, name: 'Nul' },
    { t: 2, u: 'x', name: 'Anna' },
    { t: 2, u: 'y', name: 'Nil' },
  ]);
});

test('unchanged rows are not rewritten, and equal is meant to the last bit', async () => {
  await database.pool.query('create table amounts (id int primary key, amount numeric, data json)');
  const target = `{ mode: 'upsert', key: ['id'] }`;
  await load(
    'amounts',
    target,
    `select i::int as id, 1.50::decimal(10,2) as amount, '{"a":1}'::json as data from range(100) t(i)`,
  );
  const before = await select('select sum(xmin::text::bigint) as x from amounts');
  const again = await load(
    'amounts',
    target,
    `select i::int as id, 1.50::decimal(10,2) as amount, '{"a":1}'::json as data from range(100) t(i)`,
  );
  expect(again.rows).toMatchObject({ written: 0, unchanged: 100 });
  expect(await select('select sum(xmin::text::bigint) as x from amounts')).toEqual(before);
  const finer = await load(
    'amounts',
    target,
    `select i::int as id, 1.5::decimal(10,1) as amount, '{"a":1}'::json as data from range(100) t(i)`,
  );
  expect(finer.rows).toMatchObject({ written: 100, unchanged: 0 });
});

test('replace loads beside and swaps: views, rights, defaults, foreign keys and the former table stay', async () => {
  await database.pool.query(`
    create table regions (id int primary key);
    insert into regions values (1), (2);
    create table cities (id serial primary key, name text not null check (name <> ''), region int references regions);
    create index cities_name on cities (name);
    comment on table cities is 'Where people live';
    create view city_names as select name from cities;
    create table visits (city int references cities);
    do $$ begin create role reader; exception when duplicate_object then null; end $$;
    grant select on cities to reader;
    insert into cities (name, region) values ('Old', 1), ('Older', 2);
    insert into visits values (1)`);
  const report = await load(
    'cities',
    `{ mode: 'replace' }`,
    `select i::int as id, 'City ' || i as name, 1 as region from range(1, 11) t(i)`,
  );
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 10 } });
  expect(await select('select count(*)::int as n from cities')).toEqual([{ n: 10 }]);
  expect(await select('select count(*)::int as n from city_names')).toEqual([{ n: 10 }]);
  expect(await select(`select name from cities__before_${report.run} order by 1`)).toEqual([
    { name: 'Old' },
    { name: 'Older' },
  ]);
  expect(
    await select(
      `select has_table_privilege('reader', 'cities', 'select') as may, obj_description('cities'::regclass) as said`,
    ),
  ).toEqual([{ may: true, said: 'Where people live' }]);
  expect(await select(`select indexname as name from pg_indexes where tablename = 'cities' order by 1`)).toEqual([
    { name: 'cities_name' },
    { name: 'cities_pkey' },
  ]);
  expect(await select(`insert into cities (name) values ('Next') returning id`)).toEqual([{ id: 11 }]);
  await expect(database.pool.query('insert into visits values (99)')).rejects.toThrow(/foreign key/);
  // The former table can go; nothing hangs on it.
  await database.pool.query(`drop table cities__before_${report.run}`);

  const bad = await load(
    'cities',
    `{ mode: 'replace' }`,
    `select i::int as id, 'Bad ' || i as name, 7 as region from range(1, 4) t(i)`,
  );
  expect(bad).toMatchObject({ state: 'completed_with_rejects', rows: { rejected: 3 } });
  expect(await select('select count(*)::int as n from cities')).toEqual([{ n: 11 }]);
  expect(await select(`select to_regclass('cities__run_${bad.run}') as shadow`)).toEqual([{ shadow: null }]);
});

test('a run that fails leaves the table that it was to replace alone', async () => {
  await database.pool.query(`create table kept (id int not null); insert into kept values (1)`);
  const report = await load('kept', `{ mode: 'replace' }`, `select null::int as id`, 'kept', ['--max-rejects', '0']);
  expect(report.state).toBe('failed');
  expect(await select('select id from kept')).toEqual([{ id: 1 }]);
});

test('merge deletes what the source no longer has, unless a row was rejected', async () => {
  await database.pool.query('create table stock (id int primary key, amount smallint)');
  const target = `{ mode: 'merge', key: ['id'], complete: true }`;
  await load('stock', target, 'select i::int as id, 1 as amount from range(10) t(i)');
  const second = await load('stock', target, 'select i::int as id, if(i = 6, 2, 1) as amount from range(5, 12) t(i)');
  expect(second).toMatchObject({ state: 'succeeded', rows: { read: 7, written: 3, unchanged: 4, deleted: 5 } });
  expect(await select('select min(id), max(id), sum(amount)::int as amount from stock')).toEqual([
    { min: 5, max: 11, amount: 8 },
  ]);
  const third = await load('stock', target, 'select i::int as id, if(i = 6, 70000, 1) as amount from range(6, 8) t(i)');
  expect(third).toMatchObject({ state: 'completed_with_rejects', rows: { rejected: 1, deleted: 0 } });
  expect(await select('select count(*)::int as n from stock')).toEqual([{ n: 7 }]);
  expect(await select(`select count(*)::int as n from pg_class where relname like 'seen%'`)).toEqual([{ n: 0 }]);
});

test('several tables are filled in their order, in one transaction, with their foreign keys', async () => {
  await database.pool.query(`
    create table authors (id int primary key, name text);
    create table books (id int primary key, author int not null references authors, title text);`);
  await project.write(
    'jobs/library.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'library', description: 'Books', source: () => files('library.parquet'),
       transform: {
         authors: sql\`select distinct author as id, author_name as name from source\`,
         books: sql\`select id, author, title from source\`,
       },
       targets: { authors: table({ mode: 'upsert', key: ['id'] }), books: table() },
     });`,
  );
  await writeParquet(
    duck,
    `select i::int as id, (i % 7)::int as author, 'Author ' || (i % 7) as author_name, if(i = 3, chr(0), 'Title') as title from range(100) t(i)`,
    `${project.root}/library.parquet`,
  );
  const report = JSON.parse((await project.dray(['run', 'library', '--json'])).stdout);
  expect(report).toMatchObject({ rows: { read: 107, written: 106, rejected: 1 } });
  expect(report.tables).toMatchObject([
    { table: 'authors', rows: 7 },
    { table: 'books', rows: 99 },
  ]);
  const rejected = await select(
    `select table_name, row_number::int as row from drayage.rejects where run_id = ${report.run}`,
  );
  expect(rejected).toEqual([{ table_name: 'public.books', row: 4 }]);
});

test('columns that Postgres fills are left to it, and a sequence goes on behind what was loaded', async () => {
  await database.pool.query(`
    create table filled (id int generated always as identity primary key, a int, b int generated always as (a * 2) stored,
      c text default 'usual')`);
  const own = await load('filled', '{}', 'select i::int as a, 7 as b from range(3) t(i)');
  expect(own.rows).toMatchObject({ written: 3 });
  expect(await select('select id, b, c from filled order by id')).toEqual([
    { id: 1, b: 0, c: 'usual' },
    { id: 2, b: 2, c: 'usual' },
    { id: 3, b: 4, c: 'usual' },
  ]);
  const plan = await project.dray(['plan', 'filled']);
  expect(plan.stdout).toMatch(/b .*left out: computed by Postgres/);
  await load('filled', `{ mode: 'upsert', key: ['id'] }`, 'select (i + 3)::int as id, i::int as a from range(10) t(i)');
  expect(await select('insert into filled (a) values (1) returning id')).toEqual([{ id: 13 }]);
});
