import { Duck } from '../src/duckdb/instance.ts';
import { rows as query } from '../src/duckdb/scan.ts';
import { quoteLiteral } from '../src/duckdb/types.ts';

/** The columns of the benchmark tables, as DuckDB makes them; every run makes the same rows. */
const SELECT = `
  i::bigint as id,
  (hash(i, 'quantity') % 1000)::int as quantity,
  (hash(i, 'product') % 100000)::int as product,
  ((hash(i, 'price') % 100000000) / 100)::decimal(15,2) as price,
  (hash(i, 'weight') % 1000000) / 997.0 as weight,
  'customer ' || (hash(i, 'customer') % 500000) as customer,
  'order ' || i || ' was taken by telephone and confirmed' as note,
  date '2015-01-01' + (hash(i, 'day') % 4000)::int as day,
  timestamp '2015-01-01' + to_microseconds((hash(i, 'at') % 300000000000000)::bigint) as at,
  hash(i, 'paid') % 3 > 0 as paid,
  md5(i::varchar)::uuid as token`;

/** Writes the rows as Parquet. */
export async function makeRows(count: number, file: string, spill: string): Promise<void> {
  const duck = new Duck({ memoryMb: 512, threads: 2, spillDirectory: spill });
  await duck.use((connection) =>
    query(
      connection,
      `copy (select ${SELECT} from range(${count}) t(i)) to ${quoteLiteral(file)} (format parquet, compression zstd, row_group_size 122880)`,
    ),
  );
  await duck.close();
}
