import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchSpool } from '../../src/arrow/spool.ts';
import { ExactNumber, exactNumber, NotJson, parseJson, toJson } from '../../src/base/json.ts';
import { table } from '../../src/model/target.ts';
import { requireTable } from '../../src/postgres/catalog.ts';
import type { Cell } from '../../src/postgres/values/build.ts';
import { RecordShape } from '../../src/runs/record-shape.ts';
import { mapColumns } from '../../src/sinks/mapping.ts';
import { RowCopy } from '../../src/sinks/row-copy.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { cases } from '../helpers/property.ts';

let database: TestDatabase;
let client: PoolClient;
let folder: string;

/** Each column's type, what a function may give for it, and what Postgres has to say then. */
interface Case {
  type: string;
  values: fc.Arbitrary<unknown>;
  /** The text that Postgres gives back for a value that is not null. */
  text: (value: never) => string;
}

const clean = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\0', '').toWellFormed());
const digits = (most: number) =>
  fc
    .tuple(fc.boolean(), fc.bigInt({ min: 1n, max: 10n ** BigInt(most) - 1n }))
    .map(([minus, n]) => `${minus ? '-' : ''}${n}`);
const whole64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const date = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9999-12-31T00:00:00Z'),
  noInvalidDate: true,
});
const iso = (value: Date) =>
  value
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '')
    .replace(/\.?0+$/, '');
const bytes = fc.uint8Array({ maxLength: 12 });
const json = fc
  .jsonValue({ stringUnit: 'grapheme' })
  .filter((value) => typeof value !== 'string' && !JSON.stringify(value).includes('\\u0000'));

const CASES: Record<string, Case> = {
  b: { type: 'boolean', values: fc.boolean(), text: String },
  i2: { type: 'smallint', values: fc.integer({ min: -32768, max: 32767 }), text: String },
  i8: { type: 'bigint', values: fc.oneof(whole64, whole64.map(String), fc.maxSafeInteger()), text: String },
  n: {
    type: 'numeric',
    values: fc.oneof(
      digits(38),
      digits(38).map((text) => new ExactNumber(text)),
      whole64,
      fc.integer(),
    ),
    text: String,
  },
  d: { type: 'numeric(38,10)', values: digits(28).map((text) => `${text}.0123456789`), text: String },
  f8: {
    type: 'double precision',
    values: fc.double({ noNaN: true, noDefaultInfinity: true }),
    text: (value) => JSON.stringify(value),
  },
  f4: {
    type: 'real',
    values: fc.float({ noNaN: true, noDefaultInfinity: true }),
    text: (value) => JSON.stringify(value),
  },
  t: { type: 'text', values: clean, text: String },
  u: { type: 'uuid', values: fc.uuid(), text: String },
  by: { type: 'bytea', values: bytes, text: (value) => `\\x${Buffer.from(value).toString('hex')}` },
  tz: {
    type: 'timestamptz',
    values: fc.oneof(
      date,
      date.map((d) => d.toISOString()),
    ),
    text: (value) => `${iso(new Date(value))}+00`,
  },
  ts: { type: 'timestamp', values: date, text: iso },
  day: { type: 'date', values: date.map((d) => d.toISOString().slice(0, 10)), text: String },
  js: { type: 'json', values: json, text: (value) => toJson(value) },
  ta: {
    type: 'text[]',
    values: fc.array(fc.option(clean), { maxLength: 4 }),
    text: (value) => JSON.stringify(value),
  },
};
const NAMES = Object.keys(CASES);
/** Columns that are read back in another form than their text. */
const READ: Record<string, string> = { ta: 'to_json(ta)::text as ta', f4: 'f4::float8::text as f4' };
/** Whose text has several forms. */
const reform = (name: string, text: string | null) =>
  ['f8', 'f4', 'ta'].includes(name) && text !== null ? JSON.stringify(JSON.parse(text)) : text;

beforeAll(async () => {
  database = await createDatabase();
  client = await database.pool.connect();
  folder = await mkdtemp(join(tmpdir(), 'drayage-values-'));
  const columns = Object.entries(CASES).map(([name, { type }]) => `${name} ${type}`);
  await client.query(`create table target (row_id integer, ${columns.join(', ')}); set extra_float_digits = 1`);
});
afterAll(async () => {
  client.release();
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

async function load(rows: readonly Record<string, unknown>[]): Promise<void> {
  const types = { row_id: 'integer', ...Object.fromEntries(NAMES.map((name) => [name, CASES[name]!.type])) };
  const target = table({ columns: types });
  const into = await requireTable(client, 'target');
  const shape = new RecordShape({ name: 'target', table: into, target, transform: undefined, siblings: [] });
  const cells = rows.map((row, index) =>
    shape.columns.map(({ name, type }): Cell => {
      const value = name === 'row_id' ? index : row[name];
      return value === null ? null : type.convert(value);
    }),
  );
  const batch = shape.batch(
    cells,
    rows.map((_, index) => index + 1),
  );
  expect(shape.check(batch)).toEqual([]);
  const spool = new BatchSpool(join(folder, `${Math.random()}`));
  await spool.write(batch);
  const copy = new RowCopy(client, into.sql, mapColumns(shape.schema, into, target));
  for await (const spooled of spool.batches()) {
    const source = shape.sourceBatch(spooled);
    expect(source.rowNumber(rows.length - 1)).toBe(rows.length);
    await copy.send({ batch: source.batch, from: 0, to: rows.length });
  }
  expect(await copy.finish()).toBe(rows.length);
  await spool.close();
}

test('values of JavaScript arrive in Postgres to the last digit', async () => {
  const row = fc.record(Object.fromEntries(NAMES.map((name) => [name, fc.option(CASES[name]!.values)])));
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      await client.query('begin');
      await load(rows);
      const list = NAMES.map((name) => READ[name] ?? `${name}::text as ${name}`);
      const { rows: found } = await client.query(`select ${list.join(', ')} from target order by row_id`);
      await client.query('rollback');
      for (const [index, given] of rows.entries()) {
        for (const name of NAMES) {
          const value = given[name];
          const wanted = value === null ? null : CASES[name]!.text(value as never);
          expect(reform(name, found[index][name])).toBe(reform(name, wanted));
        }
      }
    }),
    cases(60),
  );
});

/** A number as a whole one of 10^-60. */
function scaled(text: string): bigint {
  const [mantissa = '', power = '0'] = text.split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return BigInt(`${whole}${fraction}${'0'.repeat(60 + Number(power) - fraction.length)}`);
}

test('JSON keeps every digit, and what it cannot hold is told', () => {
  fc.assert(
    fc.property(digits(38), fc.integer({ min: 0, max: 37 }), (text, scale) => {
      const unsigned = text.replace('-', '').padStart(scale + 1, '0');
      const point = scale === 0 ? '' : `.${unsigned.slice(-scale)}`;
      const number = `${text.startsWith('-') ? '-' : ''}${BigInt(unsigned.slice(0, unsigned.length - scale))}${point}`;
      const exact = exactNumber(number);
      const value = `{"a":[${number}]}`;
      if (exact instanceof ExactNumber) expect(toJson(parseJson(value))).toBe(value);
      else expect(scaled(String(exact))).toBe(scaled(number));
    }),
    cases(300),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(toJson(value))).toEqual(value);
    }),
    cases(300),
  );
  const proto = JSON.parse('{"__proto__": {"a": 1}}');
  expect(toJson(proto)).toBe('{"__proto__":{"a":1}}');
  expect(toJson(parseJson('{"__proto__": 12345678901234567890}'))).toBe('{"__proto__":12345678901234567890}');
  expect(
    toJson({ s: new Set([1, 2n]), m: new Map([['k', new Uint8Array([1])]]), u: undefined, f: Float32Array.of(0.5) }),
  ).toBe('{"s":[1,2],"m":{"k":"AQ=="},"f":[0.5]}');
  const circle: Record<string, unknown> = {};
  circle.self = { circle };
  for (const value of [circle, [Number.NaN], { at: new Date(Number.NaN) }, () => 1, Symbol('s')]) {
    expect(() => toJson(value)).toThrow(NotJson);
  }
});
