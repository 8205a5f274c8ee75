import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { rowGroupsOf } from '../../src/sources/parquet-groups.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';

const duck = createDuck();
const folder = await mkdtemp(join(tmpdir(), 'groups-'));
afterAll(async () => {
  await duck.close();
  await rm(folder, { recursive: true });
});

const NESTED = `select i, i % 2 = 0 as even, [i, null] as list, {a: i, b: 'text ' || i} as pair, map {'k': i} as entries,
  i::decimal(30, 4) as exact, uuid() as id from range(9000) t(i)`;
const WIDE = `select ${Array.from({ length: 300 }, (_, place) => `i + ${place} as c${place}`).join(', ')} from range(5000) t(i)`;

/** What stands between the rows and the footer's length. */
async function footerOf(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  const length = bytes.readUInt32LE(bytes.length - 8);
  return bytes.subarray(bytes.length - 8 - length, bytes.length - 8);
}

test.each([
  ['nested columns', NESTED, 2_048],
  ['many columns', WIDE, 2_048],
  ['no rows', 'select 1 as a where false', 2_048],
])('the row groups of a file with %s are those that DuckDB tells', async (_name, select, rowGroup) => {
  const path = join(folder, `${select.length}.parquet`);
  await writeParquet(duck, select, path, rowGroup);
  const told = await duck.use((connection) =>
    rows(
      connection,
      `select any_value(row_group_num_rows)::double as rows, sum(total_compressed_size)::double as bytes,
         sum(total_uncompressed_size)::double as unpacked
       from parquet_metadata('${path}') group by row_group_id order by row_group_id`,
    ),
  );
  expect(rowGroupsOf(await footerOf(path))).toEqual(told);
});

test('a footer that is cut off anywhere is refused, or tells the same', async () => {
  const path = join(folder, 'cut.parquet');
  await writeParquet(duck, NESTED, path, 2_048);
  const footer = await footerOf(path);
  const whole = rowGroupsOf(footer);
  for (let length = 0; length < footer.length; length += 7) {
    let found: unknown;
    try {
      found = rowGroupsOf(footer.subarray(0, length));
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      continue;
    }
    expect(found).toEqual(whole);
  }
});
