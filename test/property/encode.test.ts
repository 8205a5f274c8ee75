import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rows as query, scan, schemaOf } from '../../src/duckdb/scan.ts';
import { table } from '../../src/model/target.ts';
import { requireTable } from '../../src/postgres/catalog.ts';
import { transaction } from '../../src/postgres/tx.ts';
import { mapColumns } from '../../src/sinks/mapping.ts';
import { loadIntoPostgres } from '../../src/sinks/postgres.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck } from '../helpers/duck.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

/** A pair of types, and values as literals that DuckDB and Postgres both read. */
interface Pair {
  duckdb: string;
  postgres: string;
  value: fc.Arbitrary<string>;
}

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
const float = fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value)));

const PAIRS: Pair[] = [
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
  { duckdb: 'float', postgres: 'real', value: fc.float().map(String) },
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
];

const duck = createDuck();
let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query(`set timezone = 'UTC'`);
});
afterAll(async () => {
  await duck.close();
  await database.drop();
});

const literal = (value: string | null) => (value === null ? 'null' : `'${value.replaceAll("'", "''")}'`);

const cases = fc.array(fc.constantFrom(...PAIRS), { minLength: 1, maxLength: 6 }).chain((pairs) => {
  const row = fc.tuple(...pairs.map(({ value }) => fc.option(value, { freq: 5, nil: null })));
  return fc.record({ pairs: fc.constant(pairs), rows: fc.array(row, { minLength: 1, maxLength: 30 }) });
});

test('what Postgres gives back is what was sent, for every pair of types, and so says the checksum', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ pairs, rows }) => {
      const list = (wanted: (pair: Pair, index: number) => string) => pairs.map(wanted).join(', ');
      await database.pool.query(
        `drop table if exists loaded, expected;
         create table loaded (n int, ${list(({ postgres }, index) => `c${index} ${postgres}`)});
         create table expected (like loaded)`,
      );
      const values = rows.map((row, n) => `(${n}, ${row.map(literal).join(', ')})`).join(', ');
      const source = `select n::int as n, ${list(({ duckdb }, index) => `c${index}::${duckdb} as c${index}`)}
        from (values ${values}) v(n, ${list((_, index) => `c${index}`)})`;
      // The reference goes the slow way: text, read by Postgres itself.
      await database.pool.query(
        `insert into expected select n, ${list(({ postgres }, index) => `c${index}::${postgres}`)}
         from (values ${rows.map((row, n) => `(${n}, ${row.map((value) => `${literal(value)}::text`).join(', ')})`).join(', ')}) v(n, ${list((_, index) => `c${index}`)})`,
      );

      const outcome = await duck.use(async (connection) => {
        const target = table();
        const loaded = await requireTable(database.pool as never, 'loaded');
        const columns = mapColumns(await schemaOf(connection, source), loaded, target);
        return transaction(database.pool, (client) =>
          loadIntoPostgres({
            client,
            table: loaded,
            target,
            columns,
            async *batches() {
              for await (const batch of scan(connection, source)) yield { batch, rowNumber: (index) => index };
            },
            keepRejects: async (rejects) => expect(rejects).toEqual([]),
            onProgress: () => undefined,
            expectConflicts: false,
            onConflict: () => undefined,
          }),
        );
      });
      expect(outcome).toMatchObject({ read: rows.length, written: rows.length });
      const different = await database.pool.query(
        'select l.*, e.* from loaded l join expected e using (n) where l::text is distinct from e::text',
      );
      expect(different.rows).toEqual([]);
      if (pairs.some(({ postgres }) => postgres === 'jsonb')) return;
      const client = await database.pool.connect();
      try {
        expect(await checksumOfQuery(client, 'select * from loaded')).toEqual({
          rows: rows.length,
          checksum: outcome.checksum,
        });
      } finally {
        client.release();
      }
    }),
    { numRuns: 250 },
  );
}, 120_000);

test('strings of every length and place survive the way out of DuckDB', async () => {
  await duck.use(async (connection) => {
    const source = `select i, case i % 5 when 0 then null when 1 then '' when 2 then repeat('x', (i % 30)::int)
      when 3 then 'dictionary value number ' || (i * 7919 % 13) else repeat('é' || i, (i % 700)::int) end as s from range(20000) t(i)`;
    const sums = await query(
      connection,
      `select sum(hash(s) % 1000000)::bigint as sum, count(s) as n from (${source})`,
    );
    let index = 0;
    for await (const batch of scan(connection, source)) {
      for (const row of batch) {
        const i = Number(row.i);
        const wanted = [
          null,
          '',
          'x'.repeat(i % 30),
          `dictionary value number ${(i * 7919) % 13}`,
          `é${i}`.repeat(i % 700),
        ][i % 5];
        if (row.s !== wanted) expect({ i, s: row.s }).toEqual({ i, s: wanted });
        index++;
      }
    }
    expect(index).toBe(20_000);
    expect(Number(sums[0]!.n)).toBe(16_000);
  });
});
