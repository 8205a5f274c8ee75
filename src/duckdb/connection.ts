import duckdb from '@duckdb/node-bindings';
import { DrayageError } from '../base/errors.ts';
import { bind, type Params } from './bind.ts';
import { duckFailure } from './failure.ts';

/** A DuckDB connection; statements on one connection run one after the other. */
export class DuckConnection {
  readonly #connection: duckdb.Connection;
  readonly #onPoisoned: () => void;
  #open = true;

  /** @param onPoisoned told of an internal error, after which nothing works any more */
  constructor(connection: duckdb.Connection, onPoisoned: () => void) {
    this.#connection = connection;
    this.#onPoisoned = onPoisoned;
  }

  /**
   * Starts a statement whose result streams in chunks.
   * @throws TRANSFORM_INVALID when DuckDB does not accept it, PARAM_INVALID when the parameters are not those it has
   */
  async stream(sql: string, params?: Params): Promise<duckdb.Result> {
    return this.#run(sql, params, duckdb.execute_prepared_streaming);
  }

  /** Runs a statement to its end. @throws as `stream`, and for what goes wrong on the way */
  async execute(sql: string, params?: Params): Promise<duckdb.Result> {
    if (params) return this.#run(sql, params, duckdb.execute_prepared);
    try {
      // What reads a file is planned twice when it is prepared, which takes as long as the rest with very many columns.
      const { statement_count: count } = await duckdb.extract_statements(this.#connection, sql);
      if (count > 1) throw new Error('Parser Error: there is more than one statement');
      return await duckdb.query(this.#connection, sql);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #run(sql: string, params: Params | undefined, execute: typeof duckdb.execute_prepared): Promise<duckdb.Result> {
    const prepared = await duckdb.prepare(this.#connection, sql).catch((error) => {
      throw this.#failure(error);
    });
    try {
      if (params) bind(prepared, params);
      return await execute(prepared);
    } catch (error) {
      throw error instanceof DrayageError ? error : this.#failure(error);
    } finally {
      // With many columns it is large, and V8 is in no hurry; a result that streams keeps what it needs.
      duckdb.destroy_prepare_sync(prepared);
    }
  }

  /**
   * Why a stream broke off: found out by running the query once more, down to a hash of all its values.
   * @param read how many rows had come
   * @returns undefined when these are all that there are
   */
  async diagnose(sql: string, params: Params | undefined, read: number): Promise<DrayageError | undefined> {
    try {
      const result = await this.execute(`select count(*) = ${read}, max(hash(q)) from (${sql}) q`, params);
      const chunk = await this.next(result);
      const [complete] = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk!, 0), 1);
      if (complete) return undefined;
    } catch (error) {
      return error as DrayageError;
    }
    return this.#failure(
      new Error('Out of Memory Error: the result broke off, and does when there is too little memory'),
    );
  }

  /** The next chunk, or undefined at the end, or when the stream has broken off. */
  async next(result: duckdb.Result): Promise<duckdb.DataChunk | undefined> {
    try {
      const chunk = await duckdb.fetch_chunk(result);
      return chunk && duckdb.data_chunk_get_size(chunk) > 0 ? chunk : undefined;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Ends a stream that nobody reads to its end: it would hold what it has unpacked until it is collected. */
  async abandon(): Promise<void> {
    if (this.#open) await duckdb.query(this.#connection, 'select 1').catch(() => undefined);
  }

  interrupt(): void {
    if (this.#open) duckdb.interrupt(this.#connection);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    duckdb.disconnect_sync(this.#connection);
  }

  #failure(error: unknown): DrayageError {
    const message = error instanceof Error ? error.message : String(error);
    const failure = duckFailure(message, error);
    const poisoned = /^INTERNAL Error|database has been invalidated/i.test(message);
    if (poisoned) this.#onPoisoned();
    return failure;
  }
}
