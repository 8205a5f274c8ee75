import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Duck } from '../../src/duckdb/instance.ts';
import { describe, rows as query } from '../../src/duckdb/scan.ts';
import { storedColumns } from '../../src/lake/columns.ts';
import { neededMb, type Written, writeParquet } from '../../src/lake/write.ts';
import { type LakeTarget, lake } from '../../src/model/lake-target.ts';
import { createDuck } from '../helpers/duck.ts';

const COLUMNS = 1_600;
/** What a worker has for DuckDB when nobody says. */
const MEMORY_MB = 128;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drayage-wide-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes rows as the sink does. @param value of a column, of the row `i` */
async function write(count: number, value: (column: number) => string, target: LakeTarget): Promise<Written> {
  const list = Array.from({ length: COLUMNS - 1 }, (_, column) => `${value(column)} as c${column}`);
  const source = join(folder, 'source.parquet');
  const maker = createDuck();
  const made = `select date '2026-01-01' + (i % 6)::int as day, ${list.join(', ')} from range(${count}) t(i)`;
  await maker.use((connection) =>
    query(connection, `copy (${made}) to '${source}' (format parquet, dictionary_size_limit 0, row_group_size 2048)`),
  );
  await maker.close();
  const duck = new Duck({ memoryMb: MEMORY_MB, threads: 1, spillDirectory: join(folder, 'spill') });
  try {
    return await duck.use(async (connection) => {
      const given = `select * from read_parquet('${source}')`;
      const columns = storedColumns(await describe(connection, given), target, 'wide');
      await duck.reserve(connection, neededMb(columns));
      const { signal } = new AbortController();
      return writeParquet({
        connection,
        dataset: 'wide',
        target,
        query: given,
        columns,
        numbered: false,
        folder: join(folder, 'out'),
        signal,
      });
    });
  } finally {
    await duck.close();
  }
}

test('a row of 1,600 texts needs no more memory than is set aside for it', async () => {
  const written = await write(1, (column) => `'text ${column}'`, lake({ root: 'lake', date: 'day' }));
  expect(written).toMatchObject({ rejected: 0, files: [{ rows: 1, date: '2026-01-01' }] });
});

test('wide rows of several dates are written in bounded memory, a file for each', async () => {
  const value = (column: number) => (column % 4 === 0 ? `'v' || i % 40` : `(i + ${column})::float`);
  const written = await write(3_000, value, lake({ root: 'lake', date: 'day', sort: ['c1'] }));
  expect(written.files.map(({ rows }) => rows)).toEqual(Array.from({ length: 6 }, () => 500));
  expect((await readdir(join(folder, 'out'), { recursive: true })).filter((name) => name.startsWith('whole'))).toEqual(
    [],
  );
}, 60_000);
