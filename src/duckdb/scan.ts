import duckdb from '@duckdb/node-bindings';
import { makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import { chunkToBatch } from './chunk.ts';
import type { DuckConnection } from './instance.ts';
import { Sweeper, sweepAll } from './memory.ts';
import { Scratch } from './scratch.ts';
import { arrowField, type DuckColumn, duckColumn, typeText } from './types.ts';

/** What a value of a chunk takes, roughly. */
const VALUE_BYTES = 8;

export interface ScanOptions {
  /** Interrupts the query. */
  signal?: AbortSignal;
  /** Whether batches stay good after the next one was asked for; costs memory of their own. */
  keep?: boolean;
}

/**
 * Runs a query and yields its result in batches of up to 2,048 rows, one read ahead.
 * @throws TYPE_UNMAPPED when a column of the result is of a type that no batch can hold
 */
export async function* scan(
  connection: DuckConnection,
  sql: string,
  { signal, keep = false }: ScanOptions = {},
): AsyncGenerator<RecordBatch, void, undefined> {
  const interrupt = () => connection.interrupt();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', interrupt, { once: true });
  const scratch = new Scratch();
  let ahead: Promise<duckdb.DataChunk | undefined> | undefined;
  try {
    const result = await connection.stream(sql);
    const schema = resultSchema(result);
    ahead = connection.next(result);
    const sweeper = new Sweeper();
    for (let chunk = await ahead; chunk; chunk = await ahead) {
      ahead = connection.next(result);
      const batch = chunkToBatch(chunk, schema, keep ? new Scratch() : scratch);
      // All of it has been copied.
      chunk = undefined;
      sweeper.done(batch.numRows * schema.fields.length * VALUE_BYTES);
      yield batch;
    }
  } finally {
    signal?.removeEventListener('abort', interrupt);
    scratch.reset();
    // A fetch under way uses the connection; its outcome no longer matters to anyone.
    await ahead?.catch(() => undefined);
    sweepAll();
  }
}

function resultSchema(result: duckdb.Result): Schema {
  const fields = resultColumns(result).map(({ name, type }) => {
    const field = arrowField(name, type);
    if (!field)
      throw new DrayageError('TYPE_UNMAPPED', `Column ${name} is of type ${typeText(type)}, which cannot be read.`);
    return field;
  });
  return makeSchema(fields);
}

function resultColumns(result: duckdb.Result): { name: string; type: duckdb.LogicalType }[] {
  return Array.from({ length: duckdb.column_count(result) }, (_, index) => ({
    name: duckdb.column_name(result, index),
    type: duckdb.column_logical_type(result, index),
  }));
}

/** A small result as objects; integers of 64 bits come as bigint. */
export async function rows(connection: DuckConnection, sql: string): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  // Values of more than 64 bits are looked at when somebody asks for them.
  for await (const batch of scan(connection, sql, { keep: true })) {
    for (let row = 0; row < batch.numRows; row++) found.push({ ...batch.get(row)!.toJSON() });
  }
  return found;
}

/** The columns that a query gives, without running it. */
export async function describe(connection: DuckConnection, sql: string): Promise<DuckColumn[]> {
  return resultColumns(await dryRun(connection, sql)).map(({ name, type }) => duckColumn(name, type));
}

/** The Arrow schema that `scan` gives for a query, without running it. */
export async function schemaOf(connection: DuckConnection, sql: string): Promise<Schema> {
  return resultSchema(await dryRun(connection, sql));
}

function dryRun(connection: DuckConnection, sql: string): Promise<duckdb.Result> {
  return connection.stream(`select * from (${sql}) limit 0`);
}
