import duckdb from '@duckdb/node-bindings';
import type { RecordBatch, Schema } from '../arrow/batch.ts';
import { Sweeper, sweepAll } from '../base/memory.ts';
import type { Params } from './bind.ts';
import { chunkToBatch } from './chunk.ts';
import { duckColumn } from './column.ts';
import type { DuckConnection } from './connection.ts';
import { END, type Piece, Pieces, type ResultColumn, resultColumns, resultSchema } from './pieces.ts';
import { Scratch } from './scratch.ts';
import { type DuckColumn, NULL_TYPE } from './types.ts';

export interface ScanOptions {
  /** Interrupts the query. */
  signal?: AbortSignal;
  /** Whether batches stay good after the next one was asked for; costs memory of their own. */
  keep?: boolean;
  params?: Params;
  /** How many rows there are, when that is known. */
  rows?: number | undefined;
}

/**
 * Runs a query and yields its result in batches of up to 2,048 rows, one read ahead.
 *
 * A stream of DuckDB's that fails half-way ends like one that is complete, and the bindings do not tell them apart. So
 * unless it is known how many rows there are, one is put behind the last that says it was the last. When rows are
 * missing, the query is asked what is wrong.
 * @throws TYPE_UNMAPPED when a column of the result is of a type that no batch can hold
 */
export async function* scan(
  connection: DuckConnection,
  sql: string,
  { signal, keep = false, params, rows }: ScanOptions = {},
): AsyncGenerator<RecordBatch, void, undefined> {
  const interrupt = () => connection.interrupt();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', interrupt, { once: true });
  let ahead: Promise<Piece | undefined> | undefined;
  let pieces: Pieces | undefined;
  try {
    const ended = `select *, false as ${END} from (${sql}) union all by name select true as ${END}`;
    const result = await connection.stream(rows === undefined ? ended : sql, params);
    pieces = new Pieces(connection, result, keep ? () => new Scratch() : undefined, rows === undefined);
    const sweeper = new Sweeper();
    let read = 0;
    let complete = false;
    ahead = pieces.next();
    for (let piece = await ahead; piece; piece = await ahead) {
      sweeper.done(piece.bytes);
      ahead = pieces.next();
      read += piece.batch?.numRows ?? 0;
      complete = piece.complete;
      if (piece.batch) yield piece.batch;
    }
    signal?.throwIfAborted();
    if (complete || read === rows) return;
    const failure = await connection.diagnose(sql, params, read);
    if (failure) throw failure;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    // A fetch under way uses the connection; its outcome no longer matters to anyone.
    await ahead?.catch(() => undefined);
    pieces?.dispose();
    sweepAll();
  }
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
  return (await emptyResult(connection, sql, params)).map(({ name, type }) => duckColumn(name, type));
}

/** The columns that a query gives, without running it. */
export async function describe(connection: DuckConnection, sql: string): Promise<DuckColumn[]> {
  const columns = (await emptyResult(connection, sql)).map(({ name, type }) => duckColumn(name, type));
  const types = await untyped(connection, sql, columns);
  return columns.map((column, index) => ({ ...column, type: types.get(index) ?? column.type }));
}

/** Columns that hold nothing but nulls of no type, by their places: as a result they come as integers. */
async function untyped(
  connection: DuckConnection,
  sql: string,
  columns: readonly DuckColumn[],
): Promise<Map<number, string>> {
  const suspects = [...columns.keys()].filter((index) => /^INTEGER(\[\])?$/.test(columns[index]!.type));
  if (suspects.length === 0) return new Map();
  const list = suspects.map((index) => `typeof(any_value(c${index})) as c${index}`).join(', ');
  const names = columns.map((_, index) => `c${index}`).join(', ');
  const [types] = await rows(connection, `select ${list} from (select * from (${sql}) limit 0) as t(${names})`);
  const found = suspects.map((index) => [index, String(types![`c${index}`])] as const);
  return new Map(found.filter(([, type]) => type.includes(NULL_TYPE)));
}

/** The Arrow schema that `scan` gives for a query, without running it; one with parameters is planned with them. */
export async function schemaOf(connection: DuckConnection, sql: string, params?: Params): Promise<Schema> {
  return resultSchema(await emptyResult(connection, sql, params));
}

/**
 * What the result of a query would be. A statement that was prepared says it, too, and copies all types for each of them:
 * with 1,600 columns that takes as long as all the rest.
 */
async function emptyResult(connection: DuckConnection, sql: string, params?: Params): Promise<ResultColumn[]> {
  return resultColumns(await connection.execute(`select * from (${sql}) limit 0`, params));
}
