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

const source = () => join(folder, 'source.parquet');

/** Writes rows as the sink does. @param value of a column, of the row `i` @param day counted from the first one */
async function write(
  count: number,
  value: (column: number) => string,
  target: LakeTarget,
  { columns: width = COLUMNS, day = 'i % 6' } = {},
): Promise<Written> {
  const list = Array.from({ length: width - 1 }, (_, column) => `${value(column)} as c${column}`);
  const maker = createDuck();
  const made = `select date '2026-01-01' + (${day})::int as day, ${list.join(', ')} from range(${count}) t(i)`;
  await maker.use((connection) =>
    query(connection, `copy (${made}) to '${source()}' (format parquet, dictionary_size_limit 0, row_group_size 2048)`),
  );
  await maker.close();
  const duck = new Duck({ memoryMb: MEMORY_MB, threads: 1, spillDirectory: join(folder, 'spill') });
  try {
    return await duck.use(async (connection) => {
      const given = `select * from read_parquet('${source()}')`;
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

test('rows of many dates are parted again and again; none is lost, and each date keeps the order of its rows', async () => {
  // Dates of some 300 rows, one of 4,300, and rows without one.
  const day = 'case when i % 6 = 0 then 17 when i % 500 = 1 then null else i % 61 end';
  const target = lake({ root: 'lake', date: 'day', badDates: 'null partition' });
  const { files } = await write(24_000, (column) => `(i + ${column})::int`, target, { columns: 200, day });
  expect(files).toHaveLength(62);
  const places = files.map(({ file, date }) => `('${file}', ${date === null ? 'null' : `date '${date}'`})`);
  const list = files.map(({ file }) => `'${file}'`).join(', ');
  const duck = createDuck();
  const ask = async (sql: string) => (await duck.use((connection) => query(connection, sql)))[0];
  const kept = await ask(`
    select bool_and(of_its_date) as of_its_date, bool_and(in_order) as in_order from (
      select w.day is not distinct from p.day as of_its_date,
        coalesce(c0 > lag(c0) over (partition by filename order by file_row_number), true) as in_order
      from read_parquet([${list}], filename = true, file_row_number = true) w
      join (values ${places.join(', ')}) as p (filename, day) using (filename))`);
  expect(kept).toEqual({ of_its_date: true, in_order: true });
  const sumOf = (paths: string) =>
    ask(`select count(*) as n, sum(hash(r)) as sum from read_parquet([${paths}], hive_partitioning = false) r`);
  expect(await sumOf(list)).toEqual(await sumOf(`'${source()}'`));
  await duck.close();
});

test('wide rows that do not fit, or have no date, are left out, and the others go to their dates', async () => {
  const names = Array.from({ length: 199 }, (_, column) => [`c${column}`, 'integer'] as const);
  const target = lake({ root: 'lake', date: 'day', columns: { day: 'date', ...Object.fromEntries(names) } });
  const value = (column: number) => (column === 7 ? 'case when i = 4 then 1e10 else i end::bigint' : 'i::int');
  const { files, rejected } = await write(300, value, target, { columns: 200, day: 'nullif(i % 3, 2)' });
  expect(files.map(({ rows, date }) => ({ rows, date }))).toEqual([
    { rows: 100, date: '2026-01-01' },
    { rows: 99, date: '2026-01-02' },
  ]);
  expect(rejected).toBe(101);
});
