import duckdb from '@duckdb/node-bindings';
import { makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import { chunkToBatch } from './chunk.ts';
import type { DuckConnection } from './connection.ts';
import type { Scratch } from './scratch.ts';
import { arrowField, typeText } from './types.ts';

/** A chunk of the result, copied out of DuckDB. */
export interface Piece {
  batch: RecordBatch | undefined;
  /** Whether it holds the row behind the last one. */
  complete: boolean;
  /** What the batch takes. */
  bytes: number;
  /** What the chunk takes until it is collected. */
  left: number;
}

/** Copies every chunk as soon as it is there: what lives for longer than a moment is not collected for a long time. */
export class Pieces {
  readonly #connection: DuckConnection;
  readonly #result: duckdb.Result;
  readonly #schema: Schema;
  readonly #lend: (piece: number) => Scratch;
  readonly #ended: boolean;
  #count = 0;

  /** @param lend gives what a batch is to lie in, by its place @param ended whether there is a row behind the last one */
  constructor(connection: DuckConnection, result: duckdb.Result, lend: (piece: number) => Scratch, ended: boolean) {
    this.#connection = connection;
    this.#result = result;
    this.#lend = lend;
    this.#ended = ended;
    this.#schema = resultSchema(resultColumns(result).slice(0, ended ? -1 : undefined));
  }

  async next(): Promise<Piece | undefined> {
    const piece = await this.#fetch();
    await leaveCallback();
    return piece;
  }

  /** Apart from what waits, which would hold on to the chunk. */
  #fetch(): Promise<Piece | undefined> {
    return this.#connection.next(this.#result).then((chunk) => chunk && this.#copy(chunk));
  }

  #copy(chunk: duckdb.DataChunk): Piece {
    const scratch = this.#lend(this.#count++);
    const { bytesInUse, bytesBorrowed } = scratch;
    const complete = this.#ended && holdsEnd(chunk, this.#schema.fields.length);
    const rows = duckdb.data_chunk_get_size(chunk) - (complete ? 1 : 0);
    const batch = rows > 0 ? chunkToBatch(chunk, rows, this.#schema, scratch) : undefined;
    release(chunk);
    const [bytes, left] = [scratch.bytesInUse - bytesInUse, scratch.bytesBorrowed - bytesBorrowed];
    return { batch, complete, bytes, left };
  }
}

/**
 * Frees the texts and lists of a chunk that was copied. DuckDB counts them nowhere, and V8 frees them when it gets around
 * to the object that stands for the chunk: a scan of long texts held hundreds of megabytes.
 */
function release(chunk: duckdb.DataChunk): void {
  duckdb.data_chunk_reset(chunk);
}

/**
 * Lets the native call return that has brought the chunk: until then it counts as used, and what is used when young objects
 * are collected twice over stays for good.
 */
const leaveCallback = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The column that only the row behind the last one has true. */
export const END = '"drayage:end"';

function holdsEnd(chunk: duckdb.DataChunk, column: number): boolean {
  const rows = duckdb.data_chunk_get_size(chunk);
  return duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, column), rows)[rows - 1] === 1;
}

export function resultSchema(columns: readonly ResultColumn[]): Schema {
  const fields = columns.map(({ name, type }) => {
    const field = arrowField(name, type);
    if (!field)
      throw new DrayageError('TYPE_UNMAPPED', `Column ${name} is of type ${typeText(type)}, which cannot be read.`);
    return field;
  });
  return makeSchema(fields);
}

export interface ResultColumn {
  name: string;
  type: duckdb.LogicalType;
}

export function resultColumns(result: duckdb.Result): ResultColumn[] {
  return Array.from({ length: duckdb.column_count(result) }, (_, index) => ({
    name: duckdb.column_name(result, index),
    type: duckdb.column_logical_type(result, index),
  }));
}
