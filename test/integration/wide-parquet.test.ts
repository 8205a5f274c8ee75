import { expect, test } from 'vitest';
import type { RecordBatch } from '../../src/arrow/batch.ts';
import { rowToJson } from '../../src/arrow/row-json.ts';
import { Duck } from '../../src/duckdb/instance.ts';
import { rows as query, scan, schemaOf } from '../../src/duckdb/scan.ts';
import { scanSlices } from '../../src/duckdb/slices.ts';
import { compareRelations } from '../helpers/compare.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';

/** As many columns as a table can have, read a few at a time. */
const FLOATS = 1_597;
const ROWS = 10_000;
/** The row whose note does not fit into its column; it lies in the second partition. */
const BAD = 9_001;

let shop: Workshop;
const file = () => `${shop.project.root}/wide.parquet`;
/** What `scanSlices` is told of rows with columns of eight bytes. */
const wideRows = (from: string, rows: number, columns: number) => {
  return { from, params: [], first: 1, rows, bytes: rows * columns * 8, keep: false };
};
const floats = Array.from({ length: FLOATS }, (_, place) => `f${place}`);

const duck = useDrayage(async (opened) => {
  shop = opened;
  // Nulls further back: ANALYZE counts the columns before each value anew in a row that has one in front of it.
  const isNull = (place: number) => (place < FLOATS - 10 ? 'false' : `(i + ${place}) % 7 = 0`);
  const values = floats.map(
    (name, place) => `if(${isNull(place)}, null, hash(i, ${place}) % 100000)::float as ${name}`,
  );
  const note = `case when i = ${BAD - 1} then 'far too long for it' when i % 3 = 0 then null else 'row ' || i end`;
  const select = `select i as id, ${values.join(', ')}, ${note} as note, [i, null, i + 1]::int[] as tags from range(${ROWS}) t(i)`;
  await writeParquet(duck, select, file(), 6_144);
  await shop.project.write(
    'sql/targets/wide.sql',
    `create table wide (id bigint primary key, ${floats.map((name) => `${name} real`).join(', ')}, note varchar(12), tags int[])`,
  );
  await shop.project.write(
    'jobs/wide.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'wide', description: 'Wide', source: () => files('wide.parquet'),
       targets: { wide: table({ ddl: 'wide.sql', key: ['id'], mode: 'upsert' }) },
     });`,
  );
});

test('1,600 columns and 10,000 rows arrive as they are, but for a row that does not fit, which is named', async () => {
  const report = await shop.drayage.run('wide', {});
  expect(report.rows).toMatchObject({ read: ROWS, written: ROWS - 1, rejected: 1 });
  expect(report.partitions.total).toBe(2);
  const { pool } = shop.database;
  const rejects = await pool.query('select row_number::int as row, column_name as column, reason from drayage.rejects');
  expect(rejects.rows).toEqual([{ row: BAD, column: 'note', reason: 'too_long' }]);

  const others = `select id, note, f0, f${FLOATS - 1} from '${file()}' where id <> ${BAD - 1}`;
  const compared = await compareRelations(duck, others, pool, 'wide');
  expect(compared.table).toEqual(compared.source);
  // Whole numbers, so that their sums are exact.
  const sums = floats.map((name) => `sum(${name}::float8) as ${name}, count(${name})::float8 as n_${name}`).join(', ');
  const half = sums.split(', ').length / 2;
  const lists = [sums.split(', ').slice(0, half), sums.split(', ').slice(half)];
  for (const list of lists) {
    const [source] = await duck.use((connection) =>
      query(connection, `select ${list.join(', ')} from '${file()}' where id <> ${BAD - 1}`),
    );
    const { rows } = await pool.query(`select ${list.join(', ')} from wide`);
    expect(rows[0]).toEqual(source);
  }
  const tags = await pool.query('select count(*)::int as n from wide where tags = array[id, null, id + 1]::int[]');
  expect(tags.rows).toEqual([{ n: ROWS - 1 }]);
});

test('a second run finds every row in its place', async () => {
  const report = await shop.drayage.run('wide', {});
  expect(report.rows).toMatchObject({ read: ROWS, written: 0, unchanged: ROWS - 1, rejected: 1 });
});

test.each([
  ['held', 'hash(i, #)::float', 200],
  ['too large to be held', `repeat('column # ', 9) || i % 2`, 60],
])('values that are %s come in the same batches as when all columns are read at once', async (_, value, memoryMb) => {
  const path = `${shop.project.root}/columns.parquet`;
  const columns = Array.from({ length: 330 }, (_, place) => `${value.replaceAll('#', String(place))} as c${place}`);
  await writeParquet(duck, `select ${columns.join(', ')} from range(3000) t(i)`, path);
  const select = columns.map((_, place) => `c${place}`);
  const from = `read_parquet('${path}', file_row_number = true) where file_row_number between 0 and 2999`;
  const whole = `select ${select.join(', ')} from ${from}`;
  const told = async (batches: AsyncIterable<RecordBatch>) => {
    const found: unknown[] = [];
    for await (const batch of batches) found.push([batch.numRows, rowToJson(batch, batch.numRows - 1)]);
    return found;
  };
  const expected = await duck.use((connection) => told(scan(connection, whole)));
  const own = new Duck({ memoryMb, mostMemoryMb: memoryMb, threads: 1, spillDirectory: '' });
  await own.useInTurn(0, async (connection, turn) => {
    const schema = await schemaOf(connection, whole);
    const { signal } = new AbortController();
    const slices = { ...wideRows(from, 3_000, select.length), select, schema, signal };
    expect(await told(scanSlices(own, connection, turn, slices))).toEqual(expected);
    expect(turn.share.bytes).toBe(0);
  });
  await own.close();
});

test('what goes wrong in one slice fails the reading, and a signal ends it', async () => {
  const from = 'range(5000) t(i)';
  const select = [
    ...Array.from({ length: 500 }, (_, place) => `i + ${place} as c${place}`),
    `if(i = 4900, error('in the last slice'), i) as last`,
  ];
  const read = (signal: AbortSignal) =>
    duck.useInTurn(0, async (connection, turn) => {
      const schema = await schemaOf(connection, `select ${select.join(', ')} from ${from}`);
      const slices = { ...wideRows(from, 5_000, select.length), select, schema, signal };
      for await (const batch of scanSlices(duck, connection, turn, slices)) expect(batch.numRows).toBeGreaterThan(0);
    });
  await expect(read(new AbortController().signal)).rejects.toThrow(/in the last slice/);
  await expect(read(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
});
