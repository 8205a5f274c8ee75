import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';
import { Traps } from '../helpers/traps.ts';

/** Types that the property of all pairs does not reach: arrays of each, maps, those of extensions, and what does not fit. */
let traps: Traps;
let database: TestDatabase;
Traps.use(async (opened, at) => {
  traps = opened;
  ({ database } = at);
  await database.pool.query(`
    create extension citext; create extension hstore;
    create type mood as enum ('sad', 'so so');
    create domain even as integer check (value % 2 = 0);
    create domain evener as even not null;
    create type pair as (a integer, b text)`);
});

/** Two values of each type of which there are arrays, as both read them, and the type of the list's elements in DuckDB. */
const ELEMENTS: [postgres: string, duckdb: string, one: string, other: string][] = [
  ['boolean', 'boolean', 'true', 'false'],
  ['smallint', 'tinyint', '-128', '7'],
  ['smallint', 'usmallint', '32767', '0'],
  ['integer', 'integer', '-2147483648', '7'],
  ['bigint', 'bigint', '-9223372036854775808', '7'],
  ['bigint', 'ubigint', '9223372036854775807', '7'],
  ['numeric', 'hugeint', '-99999999999999999999999999999999999999', '0'],
  ['numeric', 'varchar', '1e-40', '12345678901234567890123456789012345678901234567890'],
  ['numeric(12,1)', 'decimal(9,1)', '-12345678.9', '0.1'],
  ['real', 'float', '-0', 'NaN'],
  ['double precision', 'double', '-Infinity', '1e-310'],
  ['text', 'varchar', 'é "quoted", \\', ''],
  ['varchar(5)', 'varchar', 'short', ''],
  ['char(5)', 'varchar', 'ab', 'abcde'],
  ['name', 'varchar', 'called', ''],
  ['citext', 'varchar', 'MiXed', ''],
  ['mood', 'varchar', 'so so', 'sad'],
  ['bytea', 'blob', '\\x00', '\\xFF'],
  ['bit(3)', 'varchar', '101', '000'],
  ['varbit', 'bit', '10101010101', '1'],
  ['uuid', 'uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  ['xml', 'varchar', '<a b="c"/>', '<d/>'],
  ['json', 'json', '{"b":1, "a":[1]}', 'null'],
  ['jsonb', 'json', '{"b":1, "a":[1]}', '"x"'],
  ['hstore', 'varchar', 'a=>1, b=>NULL', ''],
  ['date', 'date', 'infinity', '2024-02-29'],
  ['time', 'time', '23:59:59.999999', '00:00:00'],
  ['timetz', 'timetz', '12:00:00+05:30', '00:00:00-08'],
  ['timestamp', 'timestamp', '-infinity', '2024-02-29 12:00:00.000001'],
  ['timestamptz', 'timestamptz', 'infinity', '2024-02-29 12:00:00+00'],
  ['interval', 'interval', '1 month -2 days 3 seconds', '0 days'],
  ['inet', 'varchar', '::1/64', '10.0.0.1'],
  ['cidr', 'varchar', '10.0.0.0/8', '::/0'],
  ['macaddr', 'varchar', '08:00:2b:01:02:03', '00:00:00:00:00:00'],
  ['macaddr8', 'varchar', '08:00:2b:01:02:03:04:05', '00:00:00:00:00:00:00:00'],
  ['pg_lsn', 'varchar', '16/B374D848', '0/0'],
  ['int4range', 'varchar', '[1,5)', 'empty'],
  ['numrange', 'varchar', '(,1.5]', '(,)'],
  ['tstzrange', 'varchar', '["2024-01-01 00:00:00+00",)', 'empty'],
  ['datemultirange', 'varchar', '{[2024-01-01,2024-02-01),[2025-01-01,)}', '{}'],
  ['even', 'integer', '4', '-2'],
];

test('arrays of every scalar type, with nulls among their elements, are what Postgres itself makes of them', async () => {
  const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const columns = ELEMENTS.map(([postgres], at) => `c${at} ${postgres}[]`).join(', ');
  const lists = ELEMENTS.map(([, duckdb, ...values], at) => {
    const casts = values.map((value) => `${quoted(value)}::${duckdb}`);
    const list = `[${casts[0]}, null, ${casts[1]}]::${duckdb}[]`;
    return `case i when 0 then ${list} when 1 then [] when 2 then [null] else null end as c${at}`;
  }).join(', ');
  const rows = (values: (type: string, one: string, other: string) => string) =>
    ELEMENTS.map(([postgres, , one, other]) => `${values(postgres, quoted(one), quoted(other))}::${postgres}[]`).join(
      ', ',
    );
  await database.pool.query(`create table expected (i int, ${columns});
    insert into expected values
      (0, ${rows((_, one, other) => `array[${one}, null, ${other}]`)}), (1, ${rows(() => `'{}'`)}),
      (2, ${rows(() => `'{NULL}'`)}), (3, ${rows(() => 'null')})`);
  const report = await traps.load('arrays', {
    ddl: 'create table arrays (like expected)',
    rows: 'select i::int as i from range(4) t(i)',
    // The job file holds it in a template of its own.
    transform: `select i, ${lists.replaceAll('\\', '\\\\')} from source`,
  });
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 4 } });
  for (const [at, [type]] of ELEMENTS.entries()) {
    const ours = await traps.select(`select c${at}::text as value from arrays order by i`);
    expect({ type, ours }).toEqual({
      type,
      ours: await traps.select(`select c${at}::text as value from expected order by i`),
    });
  }
  const client = await database.pool.connect();
  const theirs = await checksumOfQuery(client, 'select * from expected');
  client.release();
  expect(theirs).toEqual({ rows: 4, checksum: report.checksum });
});

test('lists, structs, maps and unions become JSON, a map an hstore, and a struct the composite that the column is', async () => {
  const report = await traps.load('nested', {
    ddl: `create table nested (list jsonb, matrix jsonb, struct jsonb, map jsonb, numbered jsonb, "union" jsonb,
      plain json, store hstore, one pair, many pair[])`,
    rows: 'select 1 as i',
    transform: `select [1, null, 3] as list, [[1], [2, 3]] as matrix, {a: 1, b: null, c: {d: [date '2024-02-29']}} as struct,
      map {'k': 1.50::decimal(9,2), 'n': null} as map, map {7: 'seven'} as numbered,
      union_value(name := 'x') as "union", map {'b': 1, 'a': 2} as plain, map {'k': 'v', 'n': null} as store,
      {b: 'x', a: 1} as one, [{a: 1, b: null::varchar}, null] as many from source`,
  });
  expect(report).toMatchObject({ state: 'succeeded' });
  const [row] =
    await traps.select(`select list::text, matrix::text, struct::text, map::text, numbered::text, "union"::text,
    plain::text, store::text, one::text, many::text from nested`);
  expect(row).toEqual({
    list: '[1, null, 3]',
    matrix: '[[1], [2, 3]]',
    struct: '{"a": 1, "b": null, "c": {"d": ["2024-02-29"]}}',
    map: '{"k": 1.5, "n": null}',
    numbered: '{"7": "seven"}',
    union: '{"name": "x"}',
    plain: '{"b":1,"a":2}',
    store: '"k"=>"v", "n"=>NULL',
    one: '(1,x)',
    many: '{"(1,)",NULL}',
  });
});

test('every digit of a number gets into JSON, however deep it lies, and whatever DuckDB would make of it', async () => {
  const long = '100031164.100031164::decimal(18,9)';
  const doc = `'{"n": [12345678901234567890.123, null], "s": "x,''"}'::json`.replaceAll("\\'", "'");
  const huge = '1234567890123456789012345678901234567890';
  const values: [name: string, value: string, wanted: string][] = [
    ['list', `[${long}, null]`, '[100031164.100031164, null]'],
    [
      'struct',
      `{a: ${long}, 'b"b': {c: 0.5::decimal(18,18)}, n: null::decimal(17,3)}`,
      '{"a": 100031164.100031164, "n": null, "b\\"b": {"c": 0.500000000000000000}}',
    ],
    ['map', `map {'k"': '${huge}'::bignum, 'n': null}`, `{"n": null, "k\\"": ${huge}}`],
    ['docs', `[${doc}, null, '"x"'::json]`, `[{"n": [12345678901234567890.123, null], "s": "x,'"}, null, "x"]`],
    [
      'holder',
      `[{d: ${doc}, m: map {7: [${doc}]}}, null]`,
      `[{"d": {"n": [12345678901234567890.123, null], "s": "x,'"}, "m": {"7": [{"n": [12345678901234567890.123, null], "s": "x,'"}]}}, null]`,
    ],
    [
      'either',
      `[union_value(a := ${long})::union(a decimal(18,9), b varchar), union_value(b := 'x'), null]`,
      '[{"a": 100031164.100031164}, {"b": "x"}, null]',
    ],
    ['small', `[-0.5::decimal(38,38), 0]`, `[-0.5${'0'.repeat(37)}, 0.${'0'.repeat(38)}]`],
    ['arrays', `[[${long}], []]::decimal(18,9)[][]`, '[[100031164.100031164], []]'],
    ['fixed', `[${long}]::decimal(18,9)[1]`, '[100031164.100031164]'],
    ['whole', `null::decimal(18,9)[]`, ''],
  ];
  const columns = values.map(([name]) => name);
  const transform = `select ${values.map(([name, value]) => `${value} as ${name}`).join(', ')} from source`;
  const rows = 'select 1 as i';
  const ddl = (name: string, type: string) =>
    `create table ${name} (${columns.map((column) => `${column} ${type}`).join(', ')})`;
  await traps.load('deep', { ddl: ddl('deep', 'jsonb'), rows, transform });
  const [found] = await traps.select(`select ${columns.map((name) => `${name}::text`).join(', ')} from deep`);
  expect(found).toEqual(Object.fromEntries(values.map(([name, , wanted]) => [name, wanted || null])));
  await traps.load('packed', {
    ddl: 'create table packed (data jsonb)',
    rows,
    transform,
    target: `{ pack: { into: 'data', as: 'jsonb' } }`,
  });
  const [packed] = await traps.select(
    `select ${columns.map((name) => `(data->'${name}')::text as ${name}`).join(', ')} from packed`,
  );
  expect(packed).toEqual(Object.fromEntries(values.map(([name, , wanted]) => [name, wanted || 'null'])));
});

test('and so it does as a part of an array or a composite type', async () => {
  await database.pool.query('create type held as (note mood, map jsonb, deep jsonb[])');
  const map = `map {'k': 100031164.100031164::decimal(18,9)}`;
  await traps.load('parts', {
    ddl: 'create table parts (maps jsonb[], one held, many held[], none held)',
    rows: 'select 1 as i',
    transform: `select [${map}, null, map {}] as maps, {note: 'sad'::enum('sad'), map: ${map}, deep: [${map}, null]} as one,
      [{note: null::varchar, map: ${map}, deep: null::map(varchar, decimal(18,9))[]}, null] as many,
      null::struct(note varchar, map map(varchar, decimal(18,9)), deep map(varchar, decimal(18,9))[]) as none from source`,
  });
  const json = '{"k": 100031164.100031164}';
  const [row] = await traps.select(`select maps[1]::text as map, maps[2] is null as gap, maps[3]::text as empty,
    (one).note, (one).map::text as inner, (one).deep[1]::text as deep, (one).deep[2] is null as deeper,
    (many[1]).map::text as first, (many[1]).deep is null as rest, many[2] is null as last, none is null as none from parts`);
  expect(row).toEqual({
    ...{ map: json, gap: true, empty: '{}', note: 'sad', inner: json, deep: json, deeper: true },
    ...{ first: json, rest: true, last: true, none: true },
  });
});

test('what is no JSON is a reject also where numbers are written digit by digit', async () => {
  const report = await traps.load('notjson', {
    ddl: 'create table notjson (doc jsonb)',
    rows: 'select i::int as i from range(2) t(i)',
    transform: `select {n: if(i = 1, 'nan'::double, 1.5), long: 100031164.100031164::decimal(18,9)} as doc from source`,
  });
  expect(await traps.rejects(report)).toMatchObject([{ row: 2, column: 'doc', reason: 'invalid_json' }]);
  expect(await traps.select('select doc::text from notjson')).toEqual([
    { doc: '{"n": 1.5, "long": 100031164.100031164}' },
  ]);
});

test('what a column does not hold is a reject with its reason, whatever the type', async () => {
  const report = await traps.load('misfits', {
    ddl: `create table misfits (id int, feeling mood, code char(3), called name, grid int[], deep mood[], least evener)`,
    rows: 'select i::int as id from range(8) t(i)',
    transform: `select id, if(id = 1, 'glad', 'sad') as feeling, if(id = 2, 'four', 'abc') as code,
      repeat('é', if(id = 3, 32, 31)) as called, if(id = 4, [[1], [2, 3]], [[1], [2]]) as grid,
      if(id = 5, ['sad', 'glad'], ['sad']) as deep, if(id = 6, null, if(id = 7, 3, 2))::int as least from source`,
  });
  expect(
    (await traps.rejects(report)).map(({ raw, column, reason }) => [(raw as { id: number }).id, column, reason]),
  ).toEqual([
    [1, 'feeling', 'not_in_enum'],
    [2, 'code', 'too_long'],
    [3, 'called', 'too_long'],
    [4, 'grid', 'array_shape'],
    [5, 'deep', 'not_in_enum'],
    [6, 'least', 'null_not_allowed'],
    [7, 'least', 'check'],
  ]);
  expect(await traps.select('select id, grid::text, octet_length(called) as bytes from misfits')).toEqual([
    { id: 0, grid: '{{1},{2}}', bytes: 62 },
  ]);
});

test('nanoseconds of a time of day are kept, rejected or cut off as those of a timestamp', async () => {
  const rows = 'select i::int as id from range(2) t(i)';
  const transform = `select id, if(id = 1, '12:00:00.123456789', '12:00:00.123456')::time_ns as at from source`;
  const strict = await traps.load('clocks', { ddl: 'create table clocks (id int, at time)', rows, transform });
  expect(await traps.rejects(strict)).toMatchObject([{ column: 'at', reason: 'digits_lost' }]);
  const cut = await traps.load('clocks', { rows, transform, target: `{ allow: { at: 'truncate' } }` });
  expect(cut.coercions).toEqual([{ table: 'public.clocks', column: 'at', loss: 'truncate', rows: 1 }]);
  expect(await traps.select('select at::text from clocks')).toEqual(Array(3).fill({ at: '12:00:00.123456' }));
});

test('columns of time with fewer digits take what has no more, and more by permission only', async () => {
  const ddl = 'create table coarse (day time(0), moment timestamptz(3))';
  const trap = { ddl, rows: `select time '12:00:00' as day, timestamptz '2024-01-01 00:00:00.1239+00' as moment` };
  await expect(traps.load('coarse', trap)).rejects.toMatchObject({ code: 'TYPE_UNMAPPED', where: { column: 'day' } });
  const target = `{ allow: { day: 'truncate', moment: 'truncate' } }`;
  const report = await traps.load('coarse', { rows: trap.rows, target });
  expect(report.coercions).toMatchObject([{ column: 'moment', rows: 1 }]);
  expect(await traps.select(`select day::text, (moment at time zone 'UTC')::text as moment from coarse`)).toEqual([
    { day: '12:00:00', moment: '2024-01-01 00:00:00.123' },
  ]);
});

/** Takes and gives any bytes, in the place of PostGIS, which is not to be had here; so shapes are not looked at. */
const standIn = (type: string) => `
  create type ${type};
  create function ${type}_in(cstring) returns ${type} language internal immutable strict as 'byteain';
  create function ${type}_out(${type}) returns cstring language internal immutable strict as 'byteaout';
  create function ${type}_recv(internal) returns ${type} language internal immutable strict as 'bytearecv';
  create function ${type}_send(${type}) returns bytea language internal immutable strict as 'byteasend';
  create type ${type} (input = ${type}_in, output = ${type}_out, receive = ${type}_recv, send = ${type}_send);`;

test('types that are called geometry and geography, as those of PostGIS are, receive well-known binary byte for byte (PostGIS itself is not here)', async () => {
  const wkb = '0101000000000000000000f03f0000000000000040';
  // With a reference system behind the type, as PostGIS writes it and receives it.
  const ewkb = '0101000020e6100000000000000000f03f0000000000000040';
  const report = await traps.load('shapes', {
    ddl: `create schema gis; set search_path = gis; ${standIn('geometry')} ${standIn('geography')} reset search_path;
      create table shapes (id int, place gis.geometry, area gis.geography, many gis.geometry[])`,
    rows: 'select 1 as id',
    transform: `select id, 'POINT(1 2)'::geometry as place, unhex('${ewkb}') as area,
      [unhex('${ewkb}'), null, unhex('${wkb}')] as many from source union all select 2, null, null, null`,
  });
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(
    await traps.select(`select gis.geometry_send(place)::text as place, gis.geography_send(area)::text as area,
      (select array_agg(gis.geometry_send(g)::text) from unnest(many) g) as many from shapes order by id`),
  ).toEqual([
    { place: `\\x${wkb}`, area: `\\x${ewkb}`, many: [`\\x${ewkb}`, null, `\\x${wkb}`] },
    { place: null, area: null, many: null },
  ]);
  const text = { rows: `select 1 as id, 'POINT(1 2)' as place` };
  await expect(traps.load('shapes', text)).rejects.toMatchObject({
    code: 'TYPE_UNMAPPED',
    hint: expect.stringContaining('"place"::geometry'),
  });
  expect(
    await traps.load('shapes', { ...text, transform: 'select id, place::geometry as place from source' }),
  ).toMatchObject({ state: 'succeeded' });
});
