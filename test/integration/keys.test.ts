import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import type { TestProject } from '../helpers/project.ts';
import { Traps } from '../helpers/traps.ts';

/** Keys that are not as simple as a number, and tables that rows cannot go into as they are meant to. */
let traps: Traps;
let database: TestDatabase;
let project: TestProject;
Traps.use((opened, at) => {
  traps = opened;
  ({ database, project } = at);
});

const values = (list: string, columns: string) => `select * from (values ${list}) v(${columns})`;

test('a key that exists in a partition of the table fails where that is an error, and is updated where it is not', async () => {
  const key = `mode: 'upsert', key: ['id', 'day']`;
  const refused = await traps.load('days', {
    ddl: `create table days (id int, day date, v int, primary key (id, day)) partition by range (day);
      create table days_2024 partition of days for values from ('2024-01-01') to ('2025-01-01') partition by list (id);
      create table days_2024_all partition of days_2024 default;
      insert into days values (1, '2024-02-02', 1)`,
    rows: values(`(1, date '2024-02-02', 2), (2, date '2024-02-03', 3)`, 'id, day, v'),
    target: `{ ${key}, onConflict: 'error' }`,
  });
  expect(refused).toMatchObject({ state: 'failed', errors: [{ code: 'LOAD_REFUSED' }], rows: { rejected: 0 } });
  expect(await traps.select('select id, v from days')).toEqual([{ id: 1, v: 1 }]);
  expect(await traps.load('days', { target: `{ ${key} }` })).toMatchObject({
    state: 'succeeded',
    rows: { written: 2 },
  });
  expect(await traps.select('select id, v from days order by id')).toEqual([
    { id: 1, v: 2 },
    { id: 2, v: 3 },
  ]);
});

test('where nulls are not distinct, a key with nulls is found, superseded, left alone and deleted as any other', async () => {
  const key = `key: ['a', 'b']`;
  const first = await traps.load('nulls', {
    ddl: `create table nulls (a int, b int, v int, unique nulls not distinct (a, b));
      insert into nulls values (1, null, 1), (null, null, 1), (9, null, 1), (9, 9, 1)`,
    rows: values('(1, null, 5), (2, null, 6), (3, 3, 7), (2, null, 8), (null, null, 1)', 'a, b, v'),
    target: `{ mode: 'upsert', ${key} }`,
  });
  expect(first).toMatchObject({ state: 'succeeded', rows: { read: 5, written: 3, superseded: 1, unchanged: 1 } });
  const kept = [
    { a: 1, b: null, v: 5 },
    { a: 2, b: null, v: 8 },
    { a: 3, b: 3, v: 7 },
    { a: null, b: null, v: 1 },
  ];
  const all = 'select * from nulls order by a, b';
  expect(await traps.select(`select * from nulls where a is distinct from 9 order by a`)).toEqual(kept);
  const merged = await traps.load('nulls', { target: `{ mode: 'merge', ${key}, complete: true }` });
  expect(merged).toMatchObject({ state: 'succeeded', rows: { written: 0, unchanged: 4, deleted: 2 } });
  expect(await traps.select(all)).toEqual(kept);
});

test('rows that a partial unique index is not about are inserted whenever they are read, as the plan says; no merge can go by it', async () => {
  await traps.prepare('members', {
    ddl: `create table members (name text, gone date, v int);
      create unique index present on members (name) where gone is null`,
    rows: values(`('a', null, 1), ('a', date '2024-01-01', 2), ('b', date '2024-01-01', 3)`, 'name, gone, v'),
    target: `{ mode: 'upsert', key: ['name'] }`,
  });
  const { warnings } = JSON.parse((await project.dray(['plan', 'members', '--json'])).stdout);
  expect(warnings).toEqual([
    expect.stringMatching(/public\.members.*"present".*\(gone IS NULL\).*inserted again whenever.*--force/),
  ]);
  expect(await traps.again('members')).toMatchObject({ rows: { written: 3 } });
  expect(await traps.again('members')).toMatchObject({ rows: { written: 2, unchanged: 1 } });
  expect(await traps.select('select name, count(*)::int as n from members group by name order by name')).toEqual([
    { name: 'a', n: 3 },
    { name: 'b', n: 2 },
  ]);
  await expect(
    traps.load('members', { target: `{ mode: 'merge', key: ['name'], complete: true }` }),
  ).rejects.toMatchObject({ code: 'TARGET_INVALID', message: expect.stringContaining('"present"') });
});

test('a column that is always generated as identity cannot be updated, which is said before anything is loaded', async () => {
  const trap = {
    ddl: 'create table always (id int generated always as identity, code text primary key)',
    rows: `select 7 as id, 'a' as code`,
    target: `{ mode: 'upsert', key: ['code'] }`,
  };
  await expect(traps.load('always', trap)).rejects.toMatchObject({ code: 'TARGET_INVALID', where: { column: 'id' } });
  const ignored = `{ mode: 'upsert', key: ['code'], onConflict: 'ignore' }`;
  expect(await traps.load('always', { target: ignored })).toMatchObject({ rows: { written: 1 } });
});

test.each([
  ['a view', 'create view other as select 1 as id'],
  ['a materialized view', 'create materialized view other as select 1 as id'],
  ['a sequence', 'create sequence other'],
])('%s is not said to be absent', async (what, ddl) => {
  for (const target of ['{}', `{ createTable: 'infer' }`]) {
    await expect(traps.load('other', { ddl, rows: 'select 1 as id', target })).rejects.toMatchObject({
      code: 'TARGET_INVALID',
      message: `other is ${what}, and not a table`,
    });
    await database.pool.query(`drop ${what.replace(/^an? /, '')} other`);
  }
});

test('a column that cannot be added is told with the table', async () => {
  const trap = { ddl: 'create table grows (id int)', rows: 'select 1 as id, 2 as ctid', target: '{ evolve: true }' };
  await expect(traps.load('grows', trap)).rejects.toMatchObject({
    code: 'TARGET_INVALID',
    message: expect.stringContaining('"ctid"'),
    where: { table: 'public.grows' },
  });
});

test('rows that a trigger keeps out are missed', async () => {
  const report = await traps.load('sieve', {
    ddl: `create table sieve (id int);
      create function drop_it() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger drop_it before insert on sieve for each row when (new.id = 2) execute function drop_it()`,
    rows: 'select i::int as id from range(4) t(i)',
  });
  expect(report).toMatchObject({ state: 'failed', errors: [{ code: 'ROWS_UNACCOUNTED' }] });
  expect(report.errors[0]!.message).toContain('trigger that returns null');
});

test.each([
  ['price', '"x"::decimal(9,2)'],
  ['price[]', '"x"::decimal(9,2)[]'],
  ['mood', '"x"::varchar'],
  ['pair', '"x"::struct("a" int4, "b" decimal(9,2))'],
])('what to cast to is said in the terms of SQL over source: %s', async (type, cast) => {
  await database.pool.query(`
    drop domain if exists price cascade; drop type if exists mood, pair cascade; drop table if exists casts;
    create domain price as numeric(9,2);
    create type mood as enum ('good');
    create type pair as (a int, b price);
    create table casts (x ${type})`);
  await expect(traps.load('casts', { rows: `select date '2024-01-01' as x` })).rejects.toMatchObject({
    code: 'TYPE_UNMAPPED',
    hint: expect.stringContaining(cast),
  });
});

test('a right that is missing is told as such, and to whom it has to be granted', async () => {
  await database.pool.query(`create role outsider login password 'outside'`);
  try {
    const url = new URL(database.url);
    [url.username, url.password] = ['outsider', 'outside'];
    const refused = await project.dray(['status'], { DATABASE_URL: url.href });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^dray: .*permission denied.*Grant/) });
    expect(refused.stderr).not.toContain('    at ');
  } finally {
    await database.pool.query('drop role outsider');
  }
});
