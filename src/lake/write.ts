import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DuckConnection } from '../duckdb/connection.ts';
import { rows, scan } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import type { LakeTarget } from '../model/lake-target.ts';
import { ROW } from '../model/source.ts';
import type { StoredColumn } from './columns.ts';
import { dateExpression } from './dates.ts';

export interface WriteRequest {
  connection: DuckConnection;
  dataset: string;
  target: LakeTarget;
  /** A query with the columns that `columns` are made of, and ROW if `numbered`. */
  query: string;
  columns: readonly StoredColumn[];
  numbered: boolean;
  /** Whether its rows come one after the other in their order anyway, since one thread reads them. */
  inOrder?: true;
  /** Has DuckDB give back what memory is free: the writing of many small files leaves it in pieces. */
  letGo?: () => Promise<void>;
  /** A folder that is not there yet. */
  folder: string;
  signal: AbortSignal;
}

/** A file of Parquet, not yet in its place. */
export interface WrittenFile {
  file: string;
  /** What its rows have in common, as `dateExpression` gives it; null for rows without a date. */
  date: string | null;
  rows: number;
}

export interface Written {
  files: WrittenFile[];
  /** Rows that were left out; `rejectedRows` tells them. */
  rejected: number;
}

/** A row that cannot be written. */
export interface RejectedRow {
  row: number | null;
  /** The column that cannot hold its value, or the one of the date. */
  column: string;
  /** Whether it is its date that is at fault. */
  date: boolean;
  /** The row as JSON text. */
  raw: string;
}

const PLACE = '"drayage:place"';
const PROBLEM = '"drayage:problem"';
const HEAP = '"drayage:heap"';
/** The places of rows without a date, of those that are left out, and of all where there are no dates. */
const [NONE, REJECTED, ALL] = ['none', 'rejected', 'all'];

/** Memory that DuckDB wants for a column that it writes, in MB, when there are many of them: of values of at most 8 bytes, and of others. */
const COLUMN_MB = { short: 0.1, long: 0.2 } as const;
const SHORT = /^(BOOLEAN|U?(TINY|SMALL|BIG)?INT(EGER)?|FLOAT|DOUBLE|DATE|TIME|TIMESTAMP.*|DECIMAL\((\d|1[0-8]),\d+\))$/;
/** What DuckDB sets aside at once for the different texts of each column that it writes; a megabyte if it is not told, for one row too. */
const WIDE_DICTIONARY_BYTES = 16_384;
/** From so many columns on, rows of many dates are not parted while they are read: DuckDB would hold 256 KiB for each column and date. */
const WIDE = 200;
const ROW_GROUP_ROWS = 122_880;
const LEAST_GROUP_ROWS = 2_048;
/** Cells that a row group holds in memory until it is written. */
const GROUP_CELLS = 3_000_000;
/** Files that are being written at a time: the rows come in the order of their dates. */
const OPEN_FILES = 2;
/** Rows of several places that are held at a time: of one more, DuckDB would set aside 256 KiB for each column. */
const HEAP_ROWS = 2_048;
/** Heaps that are taken out of one file. */
const HEAPS = 8;
const CODECS = { snappy: 'snappy', zstd: 'zstd', gzip: 'gzip', none: 'uncompressed' } as const;

/**
 * Writes a query's rows as Parquet in one pass, a file for each date. DuckDB does everything; memory stays within its
 * limit, since rows are put in the order of their dates before, on disk if need be.
 */
export async function writeParquet(request: WriteRequest): Promise<Written> {
  const { connection, columns, folder, signal } = request;
  const run = (sql: string) => interruptible(connection, signal, () => rows(connection, sql));
  await mkdir(folder, { recursive: true });
  const placed = isPlaced(request);
  if (!placed) await run(copyTo(request, select(request), join(folder, 'all.parquet'), ''));
  else if (!isWide(columns)) {
    await run(`set partitioned_write_max_open_files = ${OPEN_FILES}`);
    await run(`set partitioned_write_flush_threshold = ${groupRows(request)}`);
    await run(copyTo(request, select(request), folder, `, partition_by (${PLACE})`));
  } else await writeWide(request, run);
  return inspect(request, run);
}

/** The rows that were left out, read once more. */
export async function* rejectedRows(request: WriteRequest): AsyncGenerator<RejectedRow> {
  const { connection, columns, numbered, target, signal } = request;
  const names = columns.map(({ name }) => `${quoteIdentifier(name)} := ${quoteIdentifier(name)}`);
  const row = numbered ? quoteIdentifier(ROW) : 'null::bigint';
  const sql = `select ${row}::bigint as row, ${PROBLEM} as problem, to_json(struct_pack(${names.join(', ')}))::varchar as raw
    from (${judged(request)}) where ${PROBLEM} is not null`;
  for await (const batch of scan(connection, sql, { signal })) {
    for (let index = 0; index < batch.numRows; index++) {
      const { row: number, problem, raw } = batch.get(index)!.toJSON();
      const date = problem === -1;
      const column = date ? target.date! : columns[problem as number]!.name;
      yield { row: number === null ? null : Number(number), column, date, raw: String(raw) };
    }
  }
}

const isWide = (columns: readonly unknown[]) => columns.length >= WIDE;

/** What DuckDB cannot do without, in MB; 0 when there is nothing special about it. */
export function neededMb(columns: readonly StoredColumn[]): number {
  if (!isWide(columns)) return 0;
  return Math.ceil(columns.reduce((sum, { type }) => sum + COLUMN_MB[SHORT.test(type) ? 'short' : 'long'], 0));
}

function isPlaced({ target, columns }: WriteRequest): boolean {
  return target.layout !== 'none' || columns.some(({ differs }) => differs);
}

/** The query with the number of the first column that cannot hold its value, -1 for the date, and null where all is well. */
function judged(request: WriteRequest): string {
  const { query, columns, target } = request;
  const doubts = columns.flatMap(({ differs }, index) => (differs ? [`when ${differs} then ${index}`] : []));
  const date = dateOf(request);
  if (date !== undefined && target.badDates === 'reject') doubts.push(`when ${date} is null then -1`);
  const problem = doubts.length > 0 ? `case ${doubts.join(' ')} end` : 'null';
  return `select *, (${problem})::integer as ${PROBLEM} from (${query})`;
}

function dateOf({ columns, target: { date, layout } }: WriteRequest): string | undefined {
  if (layout === 'none') return undefined;
  return dateExpression(date!, columns.find(({ name }) => name === date)!.from, layout);
}

/** What goes into files: where rows have places, in the order of these, so that one file is written after the other. */
function select(request: WriteRequest): string {
  const { target, columns, numbered, query } = request;
  const names = columns.map(({ name }) => quoteIdentifier(name));
  const sort = target.sort.map(quoteIdentifier);
  if (!isPlaced(request)) {
    return `select ${made(columns)} from (${query})${sort.length > 0 ? ` order by ${sort.join(', ')}` : ''}`;
  }
  // By the source's own values, and its order.
  const keys = [...sort, ...(numbered ? [quoteIdentifier(ROW)] : [])];
  const kept = keys.map((key, index) => `, ${key} as "drayage:key${index}"`).join('');
  const order = [PLACE, ...keys.map((_, index) => `"drayage:key${index}"`)].join(', ');
  const all = `select ${made(columns)}${kept}, ${placeOf(request)} as ${PLACE} from (${judged(request)})`;
  return `select ${names.join(', ')}, ${PLACE} from (${all}) order by ${order}`;
}

const made = (columns: readonly StoredColumn[]) =>
  columns.map(({ name, expression }) => `${expression} as ${quoteIdentifier(name)}`).join(', ');

function placeOf(request: WriteRequest): string {
  const date = dateOf(request) ?? `'${ALL}'`;
  return `case when ${PROBLEM} is not null then '${REJECTED}' else coalesce(${date}, '${NONE}') end`;
}

function groupRows({ target, columns }: WriteRequest): number {
  const most = Math.floor(GROUP_CELLS / Math.max(1, columns.length));
  return target.rowGroupRows ?? Math.min(ROW_GROUP_ROWS, Math.max(LEAST_GROUP_ROWS, most));
}

function copyTo(request: WriteRequest, query: string, path: string, more: string): string {
  const codec = CODECS[request.target.compression];
  const texts = isWide(request.columns) ? `, string_dictionary_page_size_limit ${WIDE_DICTIONARY_BYTES}` : '';
  // To keep an order DuckDB collects rows and puts them together anew, which takes it twice the time if it is there already.
  const order =
    request.inOrder && !isPlaced(request) && request.target.sort.length === 0 ? ', preserve_order false' : '';
  const options = `format parquet, compression ${codec}, row_group_size ${groupRows(request)}${texts}${order}${more}`;
  return `copy (${query}) to ${quoteLiteral(path)} (${options})`;
}

/**
 * All rows into one file first, which is often the only one; else out of it into one for each place. Only values that may
 * not fit have to be judged before.
 */
async function writeWide(request: WriteRequest, run: Run): Promise<void> {
  const { columns, folder, target } = request;
  const whole = join(folder, 'whole.parquet');
  const judges = columns.some(({ differs }) => differs);
  const all = judges ? `, ${placeOf(request)} as ${PLACE} from (${judged(request)})` : ` from (${request.query})`;
  await run(copyTo(request, `select ${made(columns)}${all}`, whole, ''));
  const stored = { ...request, columns: columns.map((column) => ({ ...column, from: column.type })) };
  // Simpler than `placeOf`, so that a scan takes it for a filter and reads of the other columns only what is asked for.
  const place = `coalesce(${dateOf(stored)}, '${target.badDates === 'reject' ? REJECTED : NONE}')`;
  const placed = judges ? readAs(whole) : `select *, ${place} as ${PLACE} from (${readAs(whole)})`;
  const counts = await run(
    `select ${PLACE} as place, count(*)::double as rows from (${placed}) group by all order by 1`,
  );
  const places = counts.map(({ place, rows: count }) => ({ place: String(place), rows: Number(count) }));
  for (const { place } of places) await mkdir(dirname(placeFile(folder, place)));
  const [first, ...others] = places;
  if (first && others.length === 0 && !judges && target.sort.length === 0) {
    return rename(whole, placeFile(folder, first.place));
  }
  await partPlaces(request, placed, places, run);
  await rm(whole);
}

const readAs = (file: string) => `select * from read_parquet(${quotePath(file)}, hive_partitioning = false)`;
const placeFile = (folder: string, place: string) => join(folder, `drayage%3Aplace=${place}`, 'data_0.parquet');

interface Place {
  place: string;
  rows: number;
}

/**
 * A file for each place, out of heaps of a few, since to read some rows of a chunk takes as long as to read all of it.
 * @param query its rows, with PLACE
 */
async function partPlaces(request: WriteRequest, query: string, places: readonly Place[], run: Run): Promise<void> {
  const { folder, target } = request;
  const heaps = heapsOf(places, HEAP_ROWS);
  // Everything is read for each heap; where there are many, only their part of it.
  if (heaps.length > HEAPS) {
    const part = join(folder, `part-${places.length}.parquet`);
    for (const some of heapsOf(places, sum(places) / HEAPS)) {
      if (some.length > 1) await run(copyTo(request, `from (${query}) ${among(some)}`, part, ''));
      await partPlaces(request, some.length > 1 ? readAs(part) : query, some, run);
    }
    return rm(part, { force: true });
  }
  const sort = target.sort.length > 0 ? ` order by ${target.sort.map(quoteIdentifier).join(', ')}` : '';
  for (const heap of heaps) {
    const [from, held] = heap.length > 1 ? [HEAP, true] : [`(${query})`, false];
    if (held) await run(`create or replace temp table ${HEAP} as from (${query}) ${among(heap)}`);
    for (const one of heap) {
      const its = `select * exclude (${PLACE}) from ${from} ${among([one])}${sort}`;
      await run(copyTo(request, its, placeFile(folder, one.place), ''));
    }
    if (held) await run(`drop table ${HEAP}`);
    await request.letGo?.();
  }
}

const sum = (places: readonly Place[]) => places.reduce((total, { rows: count }) => total + count, 0);

const among = (places: readonly Place[]) =>
  `where ${PLACE} between ${quoteLiteral(places[0]!.place)} and ${quoteLiteral(places.at(-1)!.place)}`;

/** Neighbours together, up to so many rows; a larger one alone. */
function heapsOf(places: readonly Place[], most: number): Place[][] {
  const heaps: Place[][] = [];
  let held = Number.POSITIVE_INFINITY;
  for (const one of places) {
    held += one.rows;
    if (held > most) {
      heaps.push([]);
      held = one.rows;
    }
    heaps.at(-1)!.push(one);
  }
  return heaps;
}

type Run = (sql: string) => Promise<Record<string, unknown>[]>;

/** What was written, and where. */
async function inspect({ folder }: WriteRequest, run: Run): Promise<Written> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.parquet')).sort();
  const written: Written = { files: [], rejected: 0 };
  if (names.length === 0) return written;
  const list = names.map((name) => quotePath(join(folder, name)));
  const counts = await run(
    `select file_name as file, num_rows::double as rows from parquet_file_metadata([${list.join(', ')}])`,
  );
  const rowsOf = new Map(counts.map(({ file, rows: count }) => [String(file), Number(count)]));
  for (const name of names) {
    const file = join(folder, name);
    const count = rowsOf.get(file) ?? 0;
    const place = /=([^/]*)\//.exec(name)?.[1] ?? ALL;
    if (place === REJECTED) written.rejected += count;
    else if (count > 0)
      written.files.push({ file, rows: count, date: place === NONE || place === ALL ? null : place! });
  }
  return written;
}

async function interruptible<Result>(connection: DuckConnection, signal: AbortSignal, work: () => Promise<Result>) {
  const interrupt = () => connection.interrupt();
  signal.throwIfAborted();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
