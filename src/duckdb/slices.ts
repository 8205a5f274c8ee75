import { type Data, makeBatch, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import { Sweeper } from '../base/memory.ts';
import type { Params } from './bind.ts';
import type { DuckConnection } from './connection.ts';
import type { Share } from './held.ts';
import type { Duck } from './instance.ts';
import { Pieces } from './pieces.ts';
import { scan } from './scan.ts';
import { Scratch } from './scratch.ts';
import type { Turn } from './turns.ts';

/** Rows with very many columns, and so few that they can be held in memory. */
export interface WideRows {
  /** What stands behind `from`; all that is selected of it are its own columns. */
  from: string;
  /** Of which the file is one: DuckDB looks at it when they are there, which would be twice otherwise. */
  params: Params;
  /** The number of the first one in the file. */
  first: number;
  rows: number;
  /** Of all columns, unpacked. */
  bytes: number;
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

/**
 * Columns that are read together: DuckDB plans each time, and holds all pages of each. So they are as many as take this
 * much, within bounds.
 */
const [SLICE_BYTES, LEAST_COLUMNS, MOST_COLUMNS] = [1.5e6, 70, 200];

/** Slices under way at a time: while one is unpacked, the other is copied. */
const LANES = 2;

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
  const { select, from, params, rows, schema, signal, keep } = slices;
  const { share } = turn;
  try {
    const read = (own: Duck) => turn.alone(() => readSlices(own, slices, share));
    const windows = await duck.apart(JSON.stringify(params), read);
    if (!windows) {
      const all = `select ${select.join(', ')} from ${from}`;
      return yield* scan(connection, all, { params, rows, signal, keep });
    }
    for (const window of windows) {
      signal.throwIfAborted();
      yield window.batch(schema);
      share.free(window.scratch.bytesInUse);
      if (!keep) window.scratch.dispose();
    }
  } finally {
    share.free();
  }
}

/** @returns undefined when they are larger than DuckDB may take */
async function readSlices(duck: Duck, slices: Slices, share: Share): Promise<Window[] | undefined> {
  const columns = columnsAtOnce(slices);
  const count = Math.ceil(slices.select.length / columns);
  const windows: Window[] = [];
  // One for all of them, since a slice alone may be too little to be swept up after.
  const sweeper = new Sweeper();
  const [mostBytes, waiting] = [duck.memoryMb * 1e6, [...Array(count).keys()]];

  async function lane(connection: DuckConnection): Promise<void> {
    for (let slice = waiting.shift(); slice !== undefined && share.bytes <= mostBytes; slice = waiting.shift()) {
      const select = slices.select.slice(slice * columns, (slice + 1) * columns);
      await share.room(slices.signal);
      share.add(await readSlice(connection, slice, { ...slices, select }, windows, sweeper));
    }
  }

  const lanes = Array.from({ length: LANES }, () => duck.useInTurn(0, lane));
  for (const one of lanes) one.catch(() => waiting.splice(0));
  // All have to be over before what they read from is closed.
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
  if (share.bytes <= mostBytes) return windows;
  for (const window of windows) window.scratch.dispose();
  share.free();
  return undefined;
}

function columnsAtOnce({ select, bytes }: Slices): number {
  return Math.min(MOST_COLUMNS, Math.max(LEAST_COLUMNS, Math.floor((SLICE_BYTES * select.length) / bytes)));
}

/** The same rows of all columns. */
class Window {
  /** What all of it lies in. */
  readonly scratch = new Scratch(true);
  #rows: number | undefined;
  /** By slices. */
  readonly #columns: Data[][] = [];

  add(slice: number, { numRows, data }: RecordBatch): void {
    this.#rows ??= numRows;
    if (numRows !== this.#rows) {
      throw new DrayageError('SOURCE_CHANGED', 'The columns of the file do not have the same number of rows', {
        hint: 'Enqueue the job again when the file is complete.',
      });
    }
    this.#columns[slice] = data.children;
  }

  batch(schema: Schema): RecordBatch {
    return makeBatch(schema, this.#rows!, this.#columns.flat());
  }
}

/** Reads the columns of one slice, all rows. @returns the bytes that their values take */
async function readSlice(
  connection: DuckConnection,
  slice: number,
  { select, from, params, rows, signal }: Slices,
  windows: Window[],
  sweeper: Sweeper,
): Promise<number> {
  signal.throwIfAborted();
  const query = `select ${select.join(', ')} from ${from}`;
  const interrupt = () => connection.interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  try {
    const result = await connection.stream(query, params);
    const windowAt = (place: number) => (windows[place] ??= new Window());
    const pieces = new Pieces(connection, result, (place) => windowAt(place).scratch, false);
    let [read, bytes, place] = [0, 0, 0];
    for (let piece = await pieces.next(); piece; piece = await pieces.next()) {
      if (!piece.batch) continue;
      windowAt(place++).add(slice, piece.batch);
      sweeper.done(piece.left);
      bytes += piece.bytes;
      read += piece.batch.numRows;
    }
    signal.throwIfAborted();
    const failure = read === rows ? undefined : await connection.diagnose(query, params, read);
    if (failure) throw failure;
    return bytes;
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}
