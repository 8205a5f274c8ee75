import { expect, test } from 'vitest';
import type { TestProject } from '../helpers/project.ts';
import { Traps } from '../helpers/traps.ts';

/** Values that other tools round, cut, move or lose. */
let traps: Traps;
let project: TestProject;
Traps.use((opened, at) => {
  traps = opened;
  project = at.project;
});

test('a NUL in JSON is a reject for jsonb, and stays in json', async () => {
  const rows = String.raw`select * from (values ('{"a": "\u0000"}'), ('{"a": "\\u0000"}')) v(doc)`;
  const rejected = await traps.load('nuls', { ddl: 'create table nuls (doc jsonb)', rows });
  expect(await traps.rejects(rejected)).toMatchObject([{ row: 1, column: 'doc', reason: 'nul_in_text' }]);
  const kept = await traps.load('plain', { ddl: 'create table plain (doc json)', rows });
  expect(kept).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(await traps.select('select doc::text from plain')).toEqual([
    { doc: String.raw`{"a": "\u0000"}` },
    { doc: String.raw`{"a": "\\u0000"}` },
  ]);
});

test('decimals keep their own digits, and are never rounded unasked', async () => {
  const rows = `select 1.0050000::decimal(38,7) as price,
    '12345678901234567890123456789012345678901234567890.123456789012345678901234567890' as long`;
  await traps.load('decimals', { rows, target: `{ createTable: 'infer' }` });
  expect(
    await traps.select(`select format_type(atttypid, atttypmod) as type, price::text from decimals, pg_attribute
      where attrelid = 'decimals'::regclass and attname = 'price'`),
  ).toEqual([{ type: 'numeric(38,7)', price: '1.0050000' }]);
  await traps.load('unbounded', { ddl: 'create table unbounded (price numeric, long numeric)', rows });
  expect(await traps.select('select price::text, long::text from unbounded')).toEqual([
    {
      price: '1.0050000',
      long: '12345678901234567890123456789012345678901234567890.123456789012345678901234567890',
    },
  ]);
  const ddl = 'create table narrow (price numeric(10,2))';
  await expect(traps.load('narrow', { ddl, rows: 'select 1.005::decimal(38,3) as price' })).rejects.toMatchObject({
    code: 'TYPE_UNMAPPED',
    hint: expect.stringContaining(`allow: { price: 'round' }`),
  });
});

test('NaN and infinity are what the column says they are', async () => {
  const report = await traps.load('nans', {
    ddl: 'create table nans (id int, plain float8, narrow numeric(5,2), wide numeric, doc jsonb)',
    rows: `select * from (values
      (1, 'nan'::double, 'NaN', 'Infinity', null), (2, '-inf'::double, '1', '-Infinity', null),
      (3, 0, 'Infinity', '1', null), (4, 0, '1', '1', {x: 'nan'::double})) v(id, plain, narrow, wide, doc)`,
  });
  expect(await traps.rejects(report)).toMatchObject([
    { row: 3, column: 'narrow', reason: 'out_of_range' },
    { row: 4, column: 'doc', reason: 'invalid_json' },
  ]);
  expect(await traps.select('select plain::text, narrow::text, wide::text from nans order by id')).toEqual([
    { plain: 'NaN', narrow: 'NaN', wide: 'Infinity' },
    { plain: '-Infinity', narrow: '1.00', wide: '-Infinity' },
  ]);
});

test('times far away and infinite ones are kept, and what Postgres has no place for is a reject', async () => {
  const report = await traps.load('eras', {
    ddl: 'create table eras (id int, day date, clock timestamp, moment timestamptz)',
    rows: `select * from (values
      (1, '-infinity'::date, 'infinity'::timestamp, '-infinity'::timestamptz),
      (2, '0044-03-15 (BC)'::date, '0044-03-15 (BC) 12:00:00'::timestamp, timestamptz '20240-01-01 00:00:00+00'),
      (3, '5000000-01-01'::date, timestamp '290000-12-31 23:59:59', null),
      (4, '5881000-01-01'::date, null, null),
      (5, null, '200000-01-01 (BC) 00:00:00'::timestamp, null)) v(id, day, clock, moment)`,
  });
  expect(await traps.rejects(report)).toMatchObject([
    { row: 4, column: 'day', reason: 'out_of_range' },
    { row: 5, column: 'clock', reason: 'out_of_range' },
  ]);
  expect(
    await traps.select(
      `select day::text, clock::text, (moment at time zone 'UTC')::text as moment from eras order by id`,
    ),
  ).toEqual([
    { day: '-infinity', clock: 'infinity', moment: '-infinity' },
    { day: '0044-03-15 BC', clock: '0044-03-15 12:00:00 BC', moment: '20240-01-01 00:00:00' },
    { day: '5000000-01-01', clock: '290000-12-31 23:59:59', moment: null },
  ]);
});

test('nanoseconds are all kept in bigint, and a time without a zone is given none', async () => {
  const rows = `select timestamp_ns '2024-01-01 00:00:00.123456789' as at`;
  await traps.load('nanos', { ddl: 'create table nanos (at bigint)', rows });
  expect(await traps.select('select at::text from nanos')).toEqual([{ at: '1704067200123456789' }]);
  const ddl = 'create table zoned (at timestamptz)';
  const refused = traps.load('zoned', { ddl, rows: `select timestamp '2024-03-10 02:30:00' as at` });
  await expect(refused).rejects.toMatchObject({ code: 'TYPE_UNMAPPED', hint: expect.stringContaining('time zone') });
});

test('an infinite interval as text is a reject that says why', async () => {
  const ddl = 'create table spans (span interval)';
  const report = await traps.load('spans', { ddl, rows: `select unnest(['infinity', '1 day 02:00:00']) as span` });
  expect(await traps.rejects(report)).toMatchObject([
    { row: 1, reason: 'out_of_range', message: expect.stringContaining('infinite intervals') },
  ]);
  expect(await traps.select('select span::text from spans')).toEqual([{ span: '1 day 02:00:00' }]);
});

test('a column of nothing but nulls goes into any column, and leaves the type of a new one to other files', async () => {
  const ddl = `create table nulls (id int, a text, b timestamptz, c jsonb, d int[], e interval, f boolean, g uuid, h text[])`;
  const transform = `select id, null as a, null as b, null as c, null as d, null as e, null as f, null as g, [] as h from source`;
  const report = await traps.load('nulls', { ddl, rows: 'select 1 as id', transform });
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 1 } });
  expect(await traps.select(`select to_jsonb(n) as row from nulls n`)).toEqual([
    { row: { id: 1, a: null, b: null, c: null, d: null, e: null, f: null, g: null, h: [] } },
  ]);
  await project.write('later-1.jsonl', '{"id": 1, "n": null, "none": null}');
  await project.write('later-2.jsonl', '{"id": 2, "n": 2, "none": null}');
  await traps.load('later', { path: 'later-*.jsonl', target: `{ createTable: 'infer' }` });
  expect(await traps.select('select n::int, pg_typeof(n)::text as type, none from later order by id')).toEqual([
    { n: null, type: 'bigint', none: null },
    { n: 2, type: 'bigint', none: null },
  ]);
});

test('a geometry arrives as well-known binary, also where there is no PostGIS', async () => {
  await traps.load('places', { rows: `select 'POINT(1 2)'::geometry as place`, target: `{ createTable: 'infer' }` });
  expect(await traps.select(`select encode(place, 'hex') as wkb from places`)).toEqual([
    { wkb: '0101000000000000000000f03f0000000000000040' },
  ]);
});

test('a sum of integers is more than 64 bits wide, and keeps its digits in a table that is made for it', async () => {
  const report = await traps.load('summed', {
    rows: 'select i % 2 as half, 9223372036854775807 - i as n from range(4) t(i)',
    transform: 'select half, sum(n) as total from source group by half',
    target: `{ createTable: 'infer' }`,
  });
  expect(report).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  expect(
    await traps.select('select half::int, total::text, pg_typeof(total)::text as type from summed order by half'),
  ).toEqual([
    { half: 0, total: '18446744073709551612', type: 'numeric' },
    { half: 1, total: '18446744073709551610', type: 'numeric' },
  ]);
});
