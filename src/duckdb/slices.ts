import { type Data, makeBatch, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import { Sweeper } from '../base/memory.ts';
import type { DuckConnection } from './connection.ts';
import type { Duck } from './instance.ts';
import { Pieces } from './pieces.ts';
import { scan } from './scan.ts';
import { Scratch } from './scratch.ts';
import type { Turn } from './turns.ts';

/** Rows with very many columns, and so few that they can be held in memory. */
export interface WideRows {
  /** What stands behind `from`; all that is selected of it are its own columns. */
  from: string;
  /** The number of the first one in the file. */
  first: number;
  rows: number;
}

export interface Slices extends WideRows {
  /** What is selected, with a name each. */
  select: readonly string[];
  /** What that gives. */
  schema: Schema;
  signal: AbortSignal;
  /** Whether batches stay good after the next one was asked for. */
  keep: boolean;
}

/** Columns that are read together: DuckDB plans each time, and holds a page of each. */
const COLUMNS = 115;

/** What a footer says of very many columns takes as long to read as the values of a few. */
const REMEMBER_FOOTER = 'set parquet_metadata_cache = true';

/**
 * As `scan`, for very many columns, of which a few are read at a time: DuckDB holds a page of each that it reads, packed
 * and unpacked. So what is held are the values, and the pages of a few columns. When the values turn out to be more than
 * DuckDB may take itself, all columns are read at once after all.
 * @throws as `scan`; SOURCE_CHANGED when the columns do not have the same rows
 */
export async function* scanSlices(
  duck: Duck,
  connection: DuckConnection,
  turn: Turn,
  slices: Slices,
): AsyncGenerator<RecordBatch, void, undefined> {
  const { select, from, rows, schema, signal, keep } = slices;
  const windows = await turn.alone(() => duck.apart((own) => readSlices(own, duck.memoryMb, slices)));
  if (!windows) return yield* scan(connection, `select ${select.join(', ')} from ${from}`, { rows, signal, keep });
  for (const window of windows) {
    signal.throwIfAborted();
    yield window.batch(schema);
    if (!keep) window.dispose();
  }
}

/** @returns undefined when they are larger than `mostMb` */
async function readSlices(connection: DuckConnection, mostMb: number, slices: Slices): Promise<Window[] | undefined> {
  await connection.execute(REMEMBER_FOOTER);
  const windows: Window[] = [];
  // One for all of them, since a slice alone may be too little to be swept up after.
  const sweeper = new Sweeper();
  let bytes = 0;
  for (let first = 0; first < slices.select.length; first += COLUMNS) {
    bytes += await readSlice(connection, first, slices, windows, sweeper);
    if (bytes <= mostMb * 1e6) continue;
    for (const window of windows) window.dispose();
    return undefined;
  }
  return windows;
}

/** The same rows of all columns. */
class Window {
  readonly #rows: number;
  readonly #columns: Data[] = [];
  readonly #scratches: Scratch[] = [];

  constructor(rows: number) {
    this.#rows = rows;
  }

  /** Puts more columns behind those that are there. */
  add(batch: RecordBatch, scratch: Scratch): void {
    if (batch.numRows !== this.#rows) {
      throw new DrayageError('SOURCE_CHANGED', 'The columns of the file do not have the same number of rows', {
        hint: 'Enqueue the job again when the file is complete.',
      });
    }
    this.#columns.push(...batch.data.children);
    this.#scratches.push(scratch);
  }

  batch(schema: Schema): RecordBatch {
    return makeBatch(schema, this.#rows, this.#columns);
  }

  /** Gives the memory back at once. */
  dispose(): void {
    for (const scratch of this.#scratches) scratch.dispose();
  }
}

/** Reads some columns of all rows. @returns the bytes that their values take */
async function readSlice(
  connection: DuckConnection,
  first: number,
  { select, from, rows, signal }: Slices,
  windows: Window[],
  sweeper: Sweeper,
): Promise<number> {
  signal.throwIfAborted();
  const query = `select ${select.slice(first, first + COLUMNS).join(', ')} from ${from}`;
  const interrupt = () => connection.interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const pieces = new Pieces(connection, await connection.stream(query), () => new Scratch(true), false);
    let [read, place, bytes] = [0, 0, 0];
    for (let piece = await pieces.next(); piece; piece = await pieces.next()) {
      const { batch, scratch } = piece;
      if (!batch) continue;
      windows[place] ??= new Window(batch.numRows);
      windows[place++]!.add(batch, scratch);
      sweeper.done(scratch.bytesInUse);
      bytes += scratch.bytesInUse;
      read += batch.numRows;
    }
    signal.throwIfAborted();
    const failure = read === rows ? undefined : await connection.diagnose(query, undefined, read);
    if (failure) throw failure;
    return bytes;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
