import duckdb from '@duckdb/node-bindings';
import type { RecordBatch, Schema } from '../arrow/batch.ts';
import { Sweeper, sweepAll } from '../base/memory.ts';
import type { Params } from './bind.ts';
import { chunkToBatch } from './chunk.ts';
import { duckColumn } from './column.ts';
import type { DuckConnection } from './connection.ts';
import { END, type Piece, Pieces, type ResultColumn, resultColumns, resultSchema } from './pieces.ts';
import { Scratch } from './scratch.ts';
import type { Turn } from './turns.ts';
import { type DuckColumn, NULL_TYPE } from './types.ts';

/** Rows that are read one part after the other. */
export interface Part {
  sql: string;
  params?: Params | undefined;
  /** How many rows there are, when that is known. */
  rows?: number | undefined;
}

export interface ScanOptions extends Omit<Part, 'sql'> {
  /** Interrupts the query. */
  signal?: AbortSignal | undefined;
  /** Whether batches stay good after the next one was asked for; costs memory of their own. */
  keep?: boolean;
  /** Queries that together give the same rows and are run in its place: what one of them took is there for the next. */
  parts?: readonly Part[] | undefined;
  /** Taken for each part, and given back as soon as it is read, which is before its last batch has been worked on. */
  turn?: Pick<Turn, 'take' | 'giveBack'> | undefined;
}

/**
 * Runs a query and yields its result in batches of up to 2,048 rows, one read ahead.
 * @throws TYPE_UNMAPPED when a column of the result is of a type that no batch can hold
 */
export async function* scan(
  connection: DuckConnection,
  sql: string,
  { signal, keep = false, params, rows, parts = [{ sql, params, rows }], turn }: ScanOptions = {},
): AsyncGenerator<RecordBatch, void, undefined> {
  const interrupt = () => connection.interrupt();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', interrupt, { once: true });
  // One for the batch in use, one for the batch ahead.
  const scratches = [new Scratch(), new Scratch()];
  const lend = () => {
    if (keep) return new Scratch();
    scratches.reverse();
    scratches[0]!.reset();
    return scratches[0]!;
  };
  const pieces = readParts(connection, parts, lend, { signal, turn });
  const next = () => {
    const piece = pieces.next().then(({ value }) => value);
    // What goes wrong ahead is told when it is its turn: nobody waits for it as long as the batch in use is worked on.
    piece.catch(() => undefined);
    return piece;
  };
  let ahead: Promise<Piece | undefined> | undefined;
  try {
    const sweeper = new Sweeper();
    ahead = next();
    for (let piece = await ahead; piece; piece = await ahead) {
      sweeper.done(piece.left);
      ahead = next();
      if (piece.batch) yield piece.batch;
    }
  } finally {
    signal?.removeEventListener('abort', interrupt);
    // A fetch under way uses the connection; its outcome no longer matters to anyone.
    await ahead?.catch(() => undefined);
    await pieces.return(undefined);
    for (const scratch of scratches) scratch.dispose();
    sweepAll();
  }
}

/**
 * The results of one query after the other. A stream of DuckDB's that fails half-way ends like one that is complete, and
 * the bindings do not tell them apart. So unless it is known how many rows there are, one is put behind the last that says
 * it was the last. When rows are missing, the query is asked what is wrong.
 */
async function* readParts(
  connection: DuckConnection,
  parts: readonly Part[],
  lend: () => Scratch,
  { signal, turn }: Pick<ScanOptions, 'signal' | 'turn'>,
): AsyncGenerator<Piece, undefined, undefined> {
  let isOpen = false;
  try {
    for (const { sql, params, rows } of parts) {
      await turn?.take();
      const marked = `select *, false as ${END} from (${sql}) union all by name select true as ${END}`;
      const result = await connection.stream(rows === undefined ? marked : sql, params);
      isOpen = true;
      const pieces = new Pieces(connection, result, lend, rows === undefined);
      let read = 0;
      let complete = false;
      for (let piece = await pieces.next(); piece; piece = await pieces.next()) {
        read += piece.batch?.numRows ?? 0;
        complete = piece.complete;
        yield piece;
      }
      isOpen = false;
      signal?.throwIfAborted();
      const failure = complete || read === rows ? undefined : await connection.diagnose(sql, params, read);
      if (failure) throw failure;
      void turn?.giveBack();
    }
  } finally {
    if (isOpen) await connection.abandon();
    void turn?.giveBack();
  }
  return undefined;
}

/** Runs a statement of any kind. @returns a small result as objects; integers of 64 bits come as bigint */
export async function rows(
  connection: DuckConnection,
  sql: string,
  params?: Params,
): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  const result = await connection.execute(sql, params);
  const schema = resultSchema(resultColumns(result));
  for (let chunk = await connection.next(result); chunk; chunk = await connection.next(result)) {
    // Values of more than 64 bits are looked at when somebody asks for them, so the memory is not used again.
    const batch = chunkToBatch(chunk, duckdb.data_chunk_get_size(chunk), schema, new Scratch());
    for (let row = 0; row < batch.numRows; row++) found.push({ ...batch.get(row)!.toJSON() });
  }
  return found;
}

/** The columns of a query with parameters, whose types are known only when these are. */
export async function describeBound(connection: DuckConnection, sql: string, params: Params): Promise<DuckColumn[]> {
  return (await emptyResult(connection, `(${sql})`, params)).map(({ name, type }) => duckColumn(name, type));
}

/** The columns that a query gives, without running it. */
export function describe(connection: DuckConnection, sql: string): Promise<DuckColumn[]> {
  return describeFrom(connection, `(${sql})`);
}

/** The same for whatever may stand behind `from`: with very many columns a query around it takes half as long again. */
export async function describeFrom(connection: DuckConnection, from: string): Promise<DuckColumn[]> {
  const columns = (await emptyResult(connection, from)).map(({ name, type }) => duckColumn(name, type));
  const types = await untyped(connection, from, columns);
  return columns.map((column, index) => ({ ...column, type: types.get(index) ?? column.type }));
}

/** Columns that hold nothing but nulls of no type, by their places: as a result they come as integers. */
async function untyped(
  connection: DuckConnection,
  from: string,
  columns: readonly DuckColumn[],
): Promise<Map<number, string>> {
  const suspects = [...columns.keys()].filter((index) => /^INTEGER(\[\])?$/.test(columns[index]!.type));
  if (suspects.length === 0) return new Map();
  const list = suspects.map((index) => `typeof(any_value(c${index})) as c${index}`).join(', ');
  const names = columns.map((_, index) => `c${index}`).join(', ');
  const [types] = await rows(connection, `select ${list} from (select * from ${from} limit 0) as t(${names})`);
  const found = suspects.map((index) => [index, String(types![`c${index}`])] as const);
  return new Map(found.filter(([, type]) => type.includes(NULL_TYPE)));
}

/** The Arrow schema that `scan` gives for a query, without running it; one with parameters is planned with them. */
export async function schemaOf(connection: DuckConnection, sql: string, params?: Params): Promise<Schema> {
  return resultSchema(await emptyResult(connection, `(${sql})`, params));
}

/**
 * What a query over all columns would give. A statement that was prepared says it, too, and copies all types for each of them:
 * with 1,600 columns that takes as long as all the rest.
 */
async function emptyResult(connection: DuckConnection, from: string, params?: Params): Promise<ResultColumn[]> {
  return resultColumns(await connection.execute(`select * from ${from} limit 0`, params));
}
