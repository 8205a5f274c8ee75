import { Duck } from '../src/duckdb/instance.ts';
import { rows as query } from '../src/duckdb/scan.ts';
import { quoteLiteral } from '../src/duckdb/types.ts';

/** Writes rows as Parquet. @param select the columns, of the row number `i` */
export async function makeRows(
  select: string,
  count: number,
  rowGroupRows: number,
  compression: string,
  file: string,
  spill: string,
): Promise<void> {
  const duck = new Duck({ memoryMb: 1024, threads: 2, spillDirectory: spill });
  await duck.use((connection) =>
    query(
      connection,
      `copy (select ${select} from range(${count}) t(i)) to ${quoteLiteral(file)} (format parquet, compression ${compression}, row_group_size ${rowGroupRows})`,
    ),
  );
  await duck.close();
}
