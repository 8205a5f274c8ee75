import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describe, rows as query, scan, schemaOf } from '../../src/duckdb/scan.ts';
import { table } from '../../src/model/target.ts';
import { requireTable } from '../../src/postgres/catalog.ts';
import { transaction } from '../../src/postgres/tx.ts';
import { arrange } from '../../src/sinks/arrange.ts';
import { mapColumns } from '../../src/sinks/mapping.ts';
import { loadIntoPostgres } from '../../src/sinks/postgres.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck } from '../helpers/duck.ts';
import { type Literal, PAIRS, type Pair, TYPES } from '../helpers/pairs.ts';
import { cases } from '../helpers/property.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

const duck = createDuck();
let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query(TYPES);
});
afterAll(async () => {
  await duck.close();
  await database.drop();
});

const literal = (value: Literal | null, side: 'duckdb' | 'postgres') => {
  if (value === null) return 'null';
  return `'${(typeof value === 'string' ? value : value[side]).replaceAll("'", "''")}'`;
};

const batches = fc.array(fc.nat(PAIRS.length - 1), { minLength: 1, maxLength: 6 }).chain((pairs) => {
  const row = fc.tuple(
    ...pairs.map((pair) => PAIRS[pair]!).map(({ value }) => fc.option(value, { freq: 5, nil: null })),
  );
  return fc.record({ pairs: fc.constant(pairs), rows: fc.array(row, { minLength: 1, maxLength: 30 }) });
});

test('what Postgres gives back is what was sent, for every pair of types, and so says the checksum', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async ({ pairs: chosen, rows }) => {
      const pairs = chosen.map((pair) => PAIRS[pair]!);
      const list = (wanted: (pair: Pair, index: number) => string) => pairs.map(wanted).join(', ');
      await database.pool.query(
        `drop table if exists loaded, expected;
         create table loaded (n int, ${list(({ postgres }, index) => `c${index} ${postgres}`)});
         create table expected (like loaded)`,
      );
      const values = rows
        .map((row, n) => `(${n}, ${row.map((value) => literal(value, 'duckdb')).join(', ')})`)
        .join(', ');
      const source = `select n::int as n, ${list(({ duckdb }, index) => `c${index}::${duckdb} as c${index}`)}
        from (values ${values}) v(n, ${list((_, index) => `c${index}`)})`;
      // The reference goes the slow way: text, read by Postgres itself.
      await database.pool.query(
        `insert into expected select n, ${list(({ postgres }, index) => `c${index}::${postgres}`)}
         from (values ${rows.map((row, n) => `(${n}, ${row.map((value) => `${literal(value, 'postgres')}::text`).join(', ')})`).join(', ')}) v(n, ${list((_, index) => `c${index}`)})`,
      );

      const outcome = await duck.use(async (connection) => {
        const target = table();
        const loaded = await requireTable(database.pool as never, 'loaded');
        const { select } = arrange(await describe(connection, source), loaded, target, []);
        const list = select.map(({ name, expression }) => `${expression} as "${name}"`).join(', ');
        const read = `select ${list} from (${source})`;
        const columns = mapColumns(await schemaOf(connection, read), loaded, target);
        return transaction(database.pool, (client) =>
          loadIntoPostgres({
            client,
            table: loaded,
            target,
            columns,
            async *batches() {
              for await (const batch of scan(connection, read)) yield { batch, rowNumber: (index) => index };
            },
            check: undefined,
            lost: [],
            keepRejects: async (rejects) => expect(rejects).toEqual([]),
            onProgress: () => undefined,
            met: undefined,
            onMet: () => undefined,
          }),
        );
      });
      expect(outcome).toMatchObject({ read: rows.length, written: rows.length });
      const different = await database.pool.query(
        'select l.*, e.* from loaded l join expected e using (n) where l::text is distinct from e::text',
      );
      expect(different.rows).toEqual([]);
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
    cases(1000),
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
