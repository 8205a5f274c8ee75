import { expect, test } from 'vitest';
import { Traps } from '../helpers/traps.ts';

/** JSON Lines that other readers round, mend, guess or drop. */
let traps: Traps;
Traps.use((opened) => {
  traps = opened;
});

const INFER = `{ createTable: 'infer' }`;

test('every digit of a number arrives, however deep it lies', async () => {
  const lines = [
    String.raw`{"id": 1, "n": 12345678901234567890123.123456789, "doc": {"a": 1.10, "b": [123456789012345678901234567890, 1E3], "s": "\"1.10\\"}}`,
    String.raw`{"id": 9007199254740993, "n": 0.10, "doc": {"c": 0.12345678901234567890123, "s": "2.50 \u0001"}}`,
    '{"id": 3, "n": -7, "doc": 1.50}',
  ];
  await traps.load('digits', {
    lines,
    ddl: 'create table digits (id bigint, n numeric, doc json)',
    options: `{ columns: { id: 'bigint', n: 'varchar', doc: 'json' } }`,
  });
  expect(await traps.select('select id::text, n::text, doc::text from digits order by digits.id')).toEqual([
    {
      id: '1',
      n: '12345678901234567890123.123456789',
      doc: String.raw`{"a":1.10,"b":[123456789012345678901234567890,1E3],"s":"\"1.10\\"}`,
    },
    { id: '3', n: '-7', doc: '1.50' },
    { id: '9007199254740993', n: '0.10', doc: String.raw`{"c":0.12345678901234567890123,"s":"2.50 \u0001"}` },
  ]);
});

test('a number that a double would round is a reject that says what to declare', async () => {
  const lines = ['{"n": 1.5}', '{"n": 9007199254740993}', '{"n": 9007199254740992}', `{"n": ${'1'.repeat(50)}}`];
  const report = await traps.load('doubles', { lines, target: INFER });
  expect(await traps.rejects(report)).toMatchObject([
    { row: 2, reason: 'digits_lost', message: expect.stringContaining('declare it'), raw: lines[1] },
    { row: 4, reason: 'digits_lost' },
  ]);
  expect(await traps.select('select n::text from doubles order by n')).toEqual([
    { n: '1.5' },
    { n: '9.007199254740992e+15' },
  ]);
});

test('an exponent that a decimal has no digits for is a reject', async () => {
  const lines = ['{"n": 1e-5}', '{"n": 1.5e-7}', '{"n": 1.5e3}', '{"n": "2.5E-1"}', '{"n": "1E-3"}', '{"n": 0.5}'];
  const report = await traps.load('exponents', {
    lines,
    ddl: 'create table exponents (n numeric(15,2))',
    options: `{ columns: { n: 'decimal(15,2)' } }`,
  });
  const rejects = await traps.rejects(report);
  expect(rejects.map(({ row }) => row)).toEqual([1, 2, 5]);
  expect(await traps.select('select n::text from exponents order by n')).toEqual([
    { n: '0.25' },
    { n: '0.50' },
    { n: '1500.00' },
  ]);
});

test('a line that is null is a reject, and no row of nulls', async () => {
  const report = await traps.load('nothing', {
    lines: ['\ufeff{"id": 1}', ' \t{"id": 2}', 'null', ' null', '{"id": null}'],
    ddl: 'create table nothing (id int)',
    options: `{ columns: { id: 'integer' } }`,
  });
  const why = { reason: 'invalid_json', message: 'the line is not a JSON object' };
  expect(await traps.rejects(report)).toMatchObject([
    { row: 3, ...why },
    { row: 4, ...why },
  ]);
  expect(await traps.select('select id from nothing order by id')).toEqual([{ id: 1 }, { id: 2 }, { id: null }]);
});

const MANY = Array.from({ length: 30_000 }, (_, index) => `{"id": ${index}}`);

test('a type that changes on the last line is seen before anything is loaded', async () => {
  const lines = [...MANY, '{"id": "the last"}'];
  const refused = traps.load('late', { lines, ddl: 'create table late (id int)' });
  await expect(refused).rejects.toMatchObject({ code: 'TYPE_UNMAPPED', where: { file: 'late.jsonl', column: 'id' } });
  await traps.load('made', { path: 'late.jsonl', target: INFER });
  expect(
    await traps.select(`select count(*)::int as n, count(*) filter (where id = '"the last"')::int as last from made`),
  ).toEqual([{ n: 30_001, last: 1 }]);
});

test('where types are declared, the line that breaks them is the reject', async () => {
  const report = await traps.load('declared', {
    lines: [...MANY, '{"id": "the last"}'],
    ddl: 'create table declared (id int)',
    options: `{ columns: { id: 'integer' } }`,
  });
  expect(report.rows).toMatchObject({ read: 30_001, written: 30_000, rejected: 1 });
  expect(await traps.rejects(report)).toMatchObject([{ row: 30_001, reason: 'wrong_type', raw: '{"id": "the last"}' }]);
});

/** What shows only when the rows before it have been sent: DuckDB takes the second and the third for rows. */
const LAST = ['{"id": "x"}', '{"id": 30001,}', 'null', '{"id": 1.5}', '{"id": 7, "id": 8}', '{"id": 30001'];

test('whatever is wrong with the last line, the others are loaded once', async () => {
  for (const [index, last] of LAST.entries()) {
    const report = await traps.load(`last${index}`, {
      lines: [...MANY, last],
      ddl: `create table last${index} (id int)`,
      options: `{ columns: { id: 'integer' } }`,
    });
    expect(report.rows).toMatchObject({ read: 30_001, written: 30_000, rejected: 1 });
    expect(await traps.rejects(report)).toMatchObject([{ row: 30_001, raw: last }]);
    expect(await traps.select(`select count(*)::int as n, sum(id)::int as sum from last${index}`)).toEqual([
      { n: 30_000, sum: (30_000 * 29_999) / 2 },
    ]);
  }
});

test('so they are into a table that has some of their keys, and whose checks refuse one of them', async () => {
  const report = await traps.load('half', {
    lines: [...MANY, '{"id": 30000,}', '{"id": -1}'],
    ddl: 'create table half (id int primary key check (id >= 0)); insert into half select * from generate_series(0, 99)',
    options: `{ columns: { id: 'integer' } }`,
    target: `{ mode: 'upsert', key: ['id'] }`,
  });
  expect(report.rows).toMatchObject({ read: 30_002, written: 29_900, unchanged: 100, rejected: 2 });
  expect((await traps.rejects(report)).map(({ row }) => row)).toEqual([30_001, 30_002]);
  expect(await traps.select('select count(*)::int as n from half')).toEqual([{ n: 30_000 }]);
});

test('rows that are rejected before any other is loaded are rejected once, too', async () => {
  const report = await traps.load('refused', {
    lines: [...Array.from({ length: 20_000 }, () => '{"id": 99999}'), '{"id": 1,}', '{"id": 2}'],
    ddl: 'create table refused (id smallint)',
    options: `{ columns: { id: 'integer' } }`,
  });
  expect(report.rows).toMatchObject({ read: 20_002, written: 1, rejected: 20_001 });
  expect(new Set((await traps.rejects(report)).map(({ row }) => row)).size).toBe(20_001);
  expect(await traps.rejects(report)).toHaveLength(20_001);
});

test('half of a surrogate pair and a key that is there twice are rejects', async () => {
  const lines = [
    String.raw`{"id": "\ud800"}`,
    String.raw`{"id": {"deep": "\udc00 first"}}`,
    String.raw`{"id": "\ud83d\ude00"}`,
    '{"id": "a", "id": "b"}',
  ];
  const ddl = 'create table halves (id text)';
  const report = await traps.load('halves', { lines, ddl, options: `{ columns: { id: 'varchar' } }` });
  expect(await traps.rejects(report)).toMatchObject([
    { row: 1, reason: 'invalid_json' },
    { row: 2, reason: 'invalid_json' },
    { row: 4, reason: 'duplicate_key', raw: lines[3] },
  ]);
  expect(await traps.select('select id from halves')).toEqual([{ id: '😀' }]);
});

test('what only lenient readers take for JSON is a reject', async () => {
  const bad = [
    ...['{"id": 1,}', '{"id": [1,]}', '{"id": "x" , }', '{"id": NaN}', '{"id": -Infinity}', '{"id": nan}'],
    ...[
      "{'id': 1}",
      '{id: 1}',
      '{"id": 01}',
      '{"id": +1}',
      '{"id": .5}',
      '{"id": 1.}',
      '{"id": 0x10}',
      '{"id": 1} // c',
    ],
    ...['{"id": 1}{"id": 2}', '{"id": "a\tb"}', '{"id": "\\x41"}', '{"id" 1}', '{"id": tru}', '{"id": "x}', '[1]', '1'],
  ];
  const good = ['{"id": "NaN, }"}', String.raw`{"id": "\", ]"}`, ' {"id" : 1e5 } '];
  const ddl = 'create table strict (id text)';
  const options = `{ columns: { id: 'varchar' } }`;
  const report = await traps.load('strict', { lines: [...bad, ...good], ddl, options });
  expect((await traps.rejects(report)).map(({ row, reason }) => ({ row, reason }))).toEqual(
    bad.map((_, index) => ({ row: index + 1, reason: 'invalid_json' })),
  );
  expect(await traps.select('select id from strict')).toEqual([{ id: 'NaN, }' }, { id: '", ]' }, { id: '1e5' }]);
});

test('names that differ in capitals only are refused, be they on one line or on several', async () => {
  for (const [name, lines] of [
    ['line', ['{"id": 1, "ID": 2}']],
    ['lines', ['{"id": 1}', '{"ID": 2}']],
  ] as const) {
    await expect(traps.load(name, { lines, target: INFER })).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(/"ID" and "id"/),
    });
  }
  const numbered = await traps.load('numbered', { lines: ['{"id": 1, "id_1": 2}'], target: INFER });
  expect(numbered).toMatchObject({ state: 'succeeded' });
  expect(await traps.select('select id::int, id_1::int from numbered')).toEqual([{ id: 1, id_1: 2 }]);
});
