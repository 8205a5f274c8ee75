import fc from 'fast-check';

/** A value as a literal that DuckDB and Postgres both read, or as one for each. */
export type Literal = string | { duckdb: string; postgres: string };

/** A pair of types and their values. */
export interface Pair {
  /** What the literal is cast to. */
  duckdb: string;
  postgres: string;
  value: fc.Arbitrary<Literal>;
}

/** Types that some of the pairs need. */
export const TYPES = `
  create extension if not exists citext;
  create extension if not exists hstore;
  create type mood as enum ('sad', 'so so', 'happy');
  create domain even as integer check (value % 2 = 0);
  create domain evens as even[];
  create type pair as (a integer, b text);
  create type nested as ("Pair" pair, at timestamp, tags text[]);`;

const big = (min: bigint, max: bigint) => fc.bigInt({ min, max }).map(String);
const bits = (count: bigint) => big(-(2n ** (count - 1n)), 2n ** (count - 1n) - 1n);
const unsigned = (count: bigint) => big(0n, 2n ** count - 1n);
const decimal = (precision: number, scale: number) =>
  big(-(10n ** BigInt(precision)) + 1n, 10n ** BigInt(precision) - 1n).map((digits) => {
    const padded = digits.replace('-', '').padStart(scale + 1, '0');
    const whole = padded.slice(0, padded.length - scale);
    return `${digits.startsWith('-') ? '-' : ''}${whole}${scale > 0 ? `.${padded.slice(padded.length - scale)}` : ''}`;
  });
const text = (maxLength: number) =>
  fc.string({ unit: 'grapheme', maxLength }).map((value) => value.toWellFormed().replaceAll('\0', ''));
const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
const micros = fc.integer({ min: 0, max: 999 }).map((value) => String(value).padStart(3, '0'));
const moment = fc.tuple(day, micros).map(([date, rest]) => date.toISOString().replace('T', ' ').replace('Z', rest));
/** What nanoseconds reach. */
const narrowMoment = fc
  .tuple(fc.date({ min: new Date('1700-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }), micros)
  .map(([date, rest]) => date.toISOString().replace('T', ' ').replace('Z', rest));
const signed = (value: number) => (Object.is(value, -0) ? '-0' : String(value));
const float = fc.double().map(signed);

export const PAIRS: Pair[] = [
  { duckdb: 'boolean', postgres: 'boolean', value: fc.boolean().map(String) },
  { duckdb: 'tinyint', postgres: 'smallint', value: bits(8n) },
  { duckdb: 'smallint', postgres: 'integer', value: bits(16n) },
  { duckdb: 'integer', postgres: 'integer', value: bits(32n) },
  { duckdb: 'integer', postgres: 'bigint', value: bits(32n) },
  { duckdb: 'bigint', postgres: 'bigint', value: bits(64n) },
  { duckdb: 'utinyint', postgres: 'smallint', value: unsigned(8n) },
  { duckdb: 'usmallint', postgres: 'integer', value: unsigned(16n) },
  { duckdb: 'uinteger', postgres: 'bigint', value: unsigned(32n) },
  { duckdb: 'ubigint', postgres: 'numeric', value: unsigned(64n) },
  { duckdb: 'bigint', postgres: 'numeric(30,4)', value: bits(64n) },
  { duckdb: 'hugeint', postgres: 'numeric', value: big(-(10n ** 38n), 10n ** 38n) },
  { duckdb: 'float', postgres: 'real', value: fc.float().map(signed) },
  { duckdb: 'double', postgres: 'double precision', value: float },
  { duckdb: 'decimal(4,1)', postgres: 'numeric(4,1)', value: decimal(4, 1) },
  { duckdb: 'decimal(9,3)', postgres: 'numeric(12,6)', value: decimal(9, 3) },
  { duckdb: 'decimal(18,4)', postgres: 'numeric', value: decimal(18, 4) },
  { duckdb: 'decimal(38,10)', postgres: 'numeric(38,10)', value: decimal(38, 10) },
  { duckdb: 'decimal(38,37)', postgres: 'numeric', value: decimal(38, 37) },
  { duckdb: 'varchar', postgres: 'text', value: text(40) },
  { duckdb: 'varchar', postgres: 'varchar(200)', value: text(12) },
  { duckdb: 'varchar', postgres: 'char(60)', value: text(10).map((value) => value.trimEnd()) },
  { duckdb: 'varchar', postgres: 'text', value: fc.integer({ min: 0, max: 5000 }).map((length) => 'é'.repeat(length)) },
  { duckdb: 'uuid', postgres: 'uuid', value: fc.uuid() },
  { duckdb: 'varchar', postgres: 'uuid', value: fc.uuid() },
  {
    duckdb: 'date',
    postgres: 'date',
    value: fc.oneof(
      day.map((date) => date.toISOString().slice(0, 10)),
      fc.constantFrom('infinity', '-infinity'),
    ),
  },
  { duckdb: 'time', postgres: 'time', value: moment.map((value) => value.slice(11)) },
  { duckdb: 'timestamp', postgres: 'timestamp', value: fc.oneof(moment, fc.constantFrom('infinity', '-infinity')) },
  { duckdb: 'timestamptz', postgres: 'timestamptz', value: moment.map((value) => `${value}+00`) },
  { duckdb: 'varchar', postgres: 'json', value: fc.json() },
  { duckdb: 'json', postgres: 'jsonb', value: fc.json().map((value) => value.replaceAll('\\u0000', '')) },
  { duckdb: `enum('sad', 'so so', 'happy')`, postgres: 'text', value: fc.constantFrom('sad', 'so so', 'happy') },
  { duckdb: 'varchar', postgres: 'mood', value: fc.constantFrom('sad', 'so so', 'happy') },
  { duckdb: `enum('sad', 'happy')`, postgres: 'mood', value: fc.constantFrom('sad', 'happy') },
  { duckdb: 'integer', postgres: 'even', value: bits(31n).map((value) => String(BigInt(value) * 2n)) },
  { duckdb: 'varchar', postgres: 'citext', value: text(12) },
  { duckdb: 'varchar', postgres: 'name', value: text(8) },
  { duckdb: 'uhugeint', postgres: 'numeric', value: unsigned(128n) },
  { duckdb: 'bignum', postgres: 'numeric', value: big(-(10n ** 60n), 10n ** 60n) },
  { duckdb: 'time_ns', postgres: 'time', value: moment.map((value) => value.slice(11)) },
  { duckdb: 'timestamp_ns', postgres: 'timestamp', value: narrowMoment },
  { duckdb: 'timestamp_ns', postgres: 'bigint', value: narrowMoment.map(asNanoseconds) },
  { duckdb: 'timestamp_ms', postgres: 'timestamp', value: narrowMoment.map((value) => value.slice(0, 23)) },
  { duckdb: 'timestamp_s', postgres: 'timestamp', value: narrowMoment.map((value) => value.slice(0, 19)) },
  { duckdb: 'timetz', postgres: 'timetz', value: moment.map((value) => `${value.slice(11)}+05:30`) },
  { duckdb: 'bit', postgres: 'varbit', value: fc.stringMatching(/^[01]{1,40}$/) },
  { duckdb: 'blob', postgres: 'bytea', value: fc.uint8Array({ maxLength: 50 }).map(asBytes) },
  {
    duckdb: 'interval',
    postgres: 'interval',
    value: fc
      .tuple(...[-4000, -40_000, -4e9].map((min) => fc.integer({ min, max: -min })))
      .map(([months, days, us]) => `${months} months ${days} days ${us} microseconds`),
  },
  { duckdb: 'json', postgres: 'hstore', value: fc.dictionary(text(6), fc.option(text(6))).map(asHstore) },
  list('integer[]', 'integer[]', bits(32n)),
  list(
    'integer[]',
    'evens',
    bits(31n).map((value) => String(BigInt(value) * 2n)),
  ),
  list('bigint[]', 'numeric[]', bits(64n)),
  list('double[]', 'double precision[]', float),
  list('decimal(9,3)[]', 'numeric(12,6)[]', decimal(9, 3)),
  list('varchar[]', 'text[]', text(10)),
  list('varchar[]', 'varchar(20)[]', text(6)),
  list('uuid[]', 'uuid[]', fc.uuid()),
  list('boolean[]', 'boolean[]', fc.boolean().map(String)),
  list(
    'date[]',
    'date[]',
    day.map((date) => date.toISOString().slice(0, 10)),
  ),
  list('timestamp[]', 'timestamp[]', moment),
  {
    duckdb: 'json::real[3]',
    postgres: 'real[]',
    value: fc
      .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 })
      .map((values) => ({
        duckdb: JSON.stringify(values),
        postgres: `{${values.map((value) => (Object.is(value, -0) ? '0' : value)).join(',')}}`,
      })),
  },
  {
    duckdb: 'json::integer[][]',
    postgres: 'integer[]',
    value: fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.array(fc.integer(), { minLength: 1, maxLength: 3 }))
      .map(([count, row]) => Array.from({ length: count }, () => row))
      .map((rows) => ({
        duckdb: JSON.stringify(rows),
        postgres: `{${rows.map((row) => `{${row.join(',')}}`).join(',')}}`,
      })),
  },
  {
    duckdb: 'json::struct(b varchar, a integer)',
    postgres: 'pair',
    value: fc.tuple(fc.option(fc.integer()), fc.option(text(6))).map(([a, b]) => ({
      duckdb: JSON.stringify({ a, b }),
      postgres: asRow(a, b),
    })),
  },
  {
    duckdb: 'json::struct("Pair" struct(a integer, b varchar), "at" timestamp, tags varchar[])[]',
    postgres: 'nested[]',
    value: fc
      .array(fc.tuple(fc.integer(), text(5), fc.option(moment), fc.array(text(4), { maxLength: 3 })), { maxLength: 4 })
      .map((rows) => ({
        duckdb: JSON.stringify(rows.map(([a, b, at, tags]) => ({ Pair: { a, b }, at, tags }))),
        postgres: asArray(rows.map(([a, b, at, tags]) => asRow(asRow(a, b), at, asArray(tags)))),
      })),
  },
  {
    duckdb: 'decimal(17,4)[]',
    postgres: 'jsonb',
    value: fc.array(decimal(17, 4)).map((values) => `[${values.join(', ')}]`),
  },
  {
    duckdb: 'json::struct(a integer, b varchar[])',
    postgres: 'json',
    value: fc.tuple(fc.option(fc.integer()), fc.array(text(4))).map(([a, b]) => JSON.stringify({ a, b })),
  },
];

/** Lists of these, with nulls among them. */
function list(duckdb: string, postgres: string, value: fc.Arbitrary<string>): Pair {
  return {
    duckdb: `json::${duckdb}`,
    postgres,
    value: fc.array(fc.option(value, { freq: 5, nil: null }), { maxLength: 6 }).map((values) => ({
      duckdb: JSON.stringify(values),
      postgres: asArray(values),
    })),
  };
}

/** In double quotes, as array and row literals take any text. */
function quoted(value: unknown): string {
  return `"${String(value).replaceAll(/["\\]/g, '\\$&')}"`;
}

function asArray(values: readonly unknown[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

function asRow(...values: unknown[]): string {
  return `(${values.map((value) => (value === null ? '' : quoted(value))).join(',')})`;
}

function asBytes(bytes: Uint8Array): Literal {
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
  return { duckdb: digits.map((digit) => `\\x${digit}`).join(''), postgres: `\\x${digits.join('')}` };
}

function asHstore(pairs: Record<string, string | null>): Literal {
  const texts = Object.entries(pairs).map(
    ([key, value]) => `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}`,
  );
  return { duckdb: JSON.stringify(pairs), postgres: texts.join(',') };
}

function asNanoseconds(moment: string): Literal {
  const us = BigInt(Date.parse(`${moment.slice(0, 23)}Z`.replace(' ', 'T'))) * 1000n + BigInt(moment.slice(23) || 0);
  return { duckdb: moment, postgres: String(us * 1000n) };
}
