import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duck } from '../../src/duckdb/instance.ts';
import { rows } from '../../src/duckdb/scan.ts';

export function createDuck(): Duck {
  return new Duck({ memoryMb: 512, threads: 2, spillDirectory: join(tmpdir(), 'drayage-test-spill') });
}

/** Writes the result of a DuckDB query to a Parquet file. */
export async function writeParquet(duck: Duck, query: string, file: string, rowGroupRows = 122_880): Promise<void> {
  await duck.use((connection) =>
    rows(connection, `copy (${query}) to '${file}' (format parquet, row_group_size ${rowGroupRows})`),
  );
}
