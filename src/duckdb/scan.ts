import duckdb from '@duckdb/node-bindings';
import { makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import { chunkToBatch } from './chunk.ts';
import type { DuckConnection } from './instance.ts';
import { Scratch } from './scratch.ts';
import { arrowField, type DuckColumn, quoteIdentifier, readable } from './types.ts';

/**
 * Runs a query and yields its result in batches of up to 2,048 rows, one read ahead. A batch is good until the next
 * one is asked for.
 * @param signal interrupts the query
 * @throws TYPE_UNMAPPED when a column of the result is of a type that no batch can hold
 */
export async function* scan(
  connection: DuckConnection,
  sql: string,
  signal?: AbortSignal,
): AsyncGenerator<RecordBatch, void, undefined> {
  const interrupt = () => connection.interrupt();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', interrupt, { once: true });
  let ahead: Promise<duckdb.DataChunk | undefined> | undefined;
  try {
    const result = await connection.stream(sql);
    const schema = resultSchema(result);
    const scratch = new Scratch();
    ahead = connection.next(result);
    for (let chunk = await ahead; chunk; chunk = await ahead) {
      ahead = connection.next(result);
      yield chunkToBatch(chunk, schema, scratch);
    }
  } finally {
    signal?.removeEventListener('abort', interrupt);
    // A fetch under way uses the connection; its outcome no longer matters to anyone.
    await ahead?.catch(() => undefined);
  }
}

function resultSchema(result: duckdb.Result): Schema {
  const fields = Array.from({ length: duckdb.column_count(result) }, (_, index) => {
    const name = duckdb.column_name(result, index);
    const field = arrowField(name, duckdb.column_logical_type(result, index));
    if (!field) throw new DrayageError('TYPE_UNMAPPED', `Column ${name} is of a type that cannot be read.`);
    return field;
  });
  return makeSchema(fields);
}

/** A small result as objects; integers of 64 bits come as bigint. */
export async function rows(connection: DuckConnection, sql: string): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for await (const batch of scan(connection, sql)) {
    for (let row = 0; row < batch.numRows; row++) found.push({ ...batch.get(row)!.toJSON() });
  }
  return found;
}

/** The columns that a query gives, without running it. */
export async function describe(connection: DuckConnection, sql: string): Promise<DuckColumn[]> {
  const found = await rows(connection, `select column_name, column_type from (describe ${sql})`);
  return found.map((row) => readable(String(row.column_name), String(row.column_type)));
}

/** The Arrow schema that `scan` gives for a query, without running it. */
export async function schemaOf(connection: DuckConnection, sql: string): Promise<Schema> {
  const result = await connection.stream(`select * from (${sql}) limit 0`);
  return resultSchema(result);
}

/** Wraps a query so that every column arrives as Arrow; `columns` come from `describe`. */
export function readableQuery(sql: string, columns: readonly DuckColumn[]): string {
  const list = columns.map(({ name, expression }) => `${expression} as ${quoteIdentifier(name)}`);
  return `select ${list.join(', ')} from (${sql})`;
}
