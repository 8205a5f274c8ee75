import { copyFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bytesIn, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { type Plain, plainRows } from '../arrow/plain.ts';
import type { Params } from '../duckdb/bind.ts';
import { describeBound, rows, scan, schemaOf } from '../duckdb/scan.ts';
import { type Form, quoteIdentifier, quoteLiteral } from '../duckdb/types.ts';
import type { S3Options } from '../store/s3.ts';
import { LakeCatalog, type LakeState } from './catalog.ts';
import { Engine, type OpenQuery } from './engine.ts';
import { isBroken, queryError } from './query-errors.ts';
import { ResultCache } from './result-cache.ts';

export interface LakeReaderOptions {
  /** The folder, or `s3://bucket/prefix`, that holds `_manifest`. */
  root: string;
  /** Threads of DuckDB. Default as many as there are cores, at most 4. */
  threads?: number;
  /** Memory of DuckDB; what outgrows it goes to disk. Default 256. */
  memoryMb?: number;
  /** How long an answer is given again, as long as nothing is published. Default 300; 0 keeps none. */
  cacheTtlSeconds?: number;
  /** Room for answers that are kept. Default 64. */
  cacheMb?: number;
  /** Rows that `query` gives at most. Default 10,000. */
  maxRows?: number;
  /** What the values of one answer may take before it is cut short. Default 16. */
  maxResultMb?: number;
  /** How long a query may take. Default 60. */
  timeoutSeconds?: number;
  /** Folder for copies of what lies in S3, and for what outgrows the memory. Default below the system's temporary one. */
  home?: string;
  /** Room for copies of what lies in S3. Default 10,000. */
  diskMb?: number;
  /** Where relative roots begin. Default the current folder. */
  base?: string;
  s3?: S3Options;
}

export interface ResultColumn {
  name: string;
  /** As DuckDB writes it. */
  type: string;
}

export interface QueryResult {
  columns: readonly ResultColumn[];
  /** Frozen, since an answer may be given to several callers. */
  rows: readonly Readonly<Record<string, Plain>>[];
  /** Whether there was more than `maxRows` or `maxResultMb` allow. */
  truncated: boolean;
  /** Whether it was kept from an earlier call. */
  cached: boolean;
  /** Of the lake; another one after every publish. */
  version: string;
}

export interface StreamOptions {
  params?: Params;
  /** `plain`: only booleans, numbers, texts, JSON and bytes, and lists and structs of them. Default `nested`: types of Arrow. */
  form?: Form;
  /** Rows at most. Default all. */
  limit?: number | undefined;
  signal?: AbortSignal;
}

export interface LakeStream {
  columns: readonly ResultColumn[];
  schema: Schema;
  /** Each is good until the next one is asked for. */
  batches: AsyncGenerator<RecordBatch>;
}

const MB = 1_000_000;
const THREADS = 4;

/**
 * Answers queries over the datasets of a lake. What is published is seen by the next query; one that is under way goes on
 * with the files that it began with. Queries can do nothing but read datasets.
 * @example
 * const lake = new Lake({ root: 's3://cargo/lake' });
 * const { rows } = await lake.query('select topic, count(*) as n from ticket where year = $1 group by all', [2026]);
 */
export class Lake {
  readonly #options: LakeReaderOptions;
  readonly #catalog: LakeCatalog;
  readonly #answers: ResultCache<QueryResult>;
  /** Questions that are being answered: whoever asks the same meanwhile waits for that answer. */
  readonly #asked = new Map<string, Promise<QueryResult>>();
  #engine: Promise<Engine> | undefined;

  constructor(options: LakeReaderOptions) {
    const { root, base = process.cwd(), s3, cacheTtlSeconds = 300, cacheMb = 64 } = options;
    this.#options = options;
    this.#catalog = new LakeCatalog(root, base, s3);
    this.#answers = new ResultCache(cacheTtlSeconds * 1000, cacheMb * MB);
  }

  /**
   * The rows of a query, as many as are allowed.
   * @param params values of `$1`, `$2` … or `?` in their order, or of `$name` by name
   * @throws LAKE_MISSING, LAKE_INVALID, QUERY_INVALID, QUERY_REFUSED, QUERY_FAILED, PARAM_INVALID, OUT_OF_MEMORY
   */
  async query(sql: string, params: Params = []): Promise<QueryResult> {
    const signal = AbortSignal.timeout((this.#options.timeoutSeconds ?? 60) * 1000);
    const state = await this.#catalog.read(signal);
    const key = JSON.stringify([state.version, sql, params], keyValue);
    const kept = this.#answers.get(key);
    if (kept) return { ...kept, cached: true };
    let asked = this.#asked.get(key);
    if (!asked) {
      asked = this.#answer(state, key, sql, params, signal).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    return asked;
  }

  /** All rows of a query, unbounded. Its `batches` have to be read, or returned from. @throws as `query` */
  async stream(sql: string, options: StreamOptions = {}): Promise<LakeStream> {
    const { params = [], form = 'nested', limit, signal = never() } = options;
    const state = await this.#catalog.read(signal);
    const opened = await this.#open(state, sql, signal);
    try {
      const { query, columns } = await readable(opened, params, form, limit);
      const schema = await schemaOf(opened.connection, query, params);
      return { columns, schema, batches: this.#batches(opened, sql, query, params, signal) };
    } catch (error) {
      await opened.close();
      throw this.#failure(error, sql, signal);
    }
  }

  async *#batches(opened: OpenQuery, sql: string, query: string, params: Params, signal: AbortSignal) {
    try {
      yield* scan(opened.connection, query, { params, signal });
    } catch (error) {
      throw this.#failure(error, sql, signal);
    } finally {
      await opened.close();
    }
  }

  /** Writes all rows of a query into a Parquet file on this machine. @returns how many @throws as `query` */
  async writeParquet(sql: string, file: string, options: Omit<StreamOptions, 'form'> = {}): Promise<number> {
    const { params = [], limit, signal = never() } = options;
    const state = await this.#catalog.read(signal);
    const opened = await this.#open(state, sql, signal);
    const interrupt = () => opened.connection.interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    // DuckDB may write nowhere else.
    const held = await (await this.#engine!).spool.hold(0, signal);
    try {
      const made = join(held.folder, 'rows.parquet');
      const query = limit === undefined ? opened.query : `select * from (${opened.query}) limit ${limit}`;
      const copy = `copy (${query}) to ${quoteLiteral(made)} (format parquet, compression zstd)`;
      const [written] = await rows(opened.connection, copy, params);
      await copyFile(made, file);
      return Number(written!.Count);
    } catch (error) {
      throw this.#failure(error, sql, signal);
    } finally {
      signal.removeEventListener('abort', interrupt);
      await held.release();
      await opened.close();
    }
  }

  /** What the lake holds now. @throws LAKE_MISSING, LAKE_INVALID */
  async state(signal: AbortSignal = never()): Promise<LakeState> {
    return this.#catalog.read(signal);
  }

  async close(): Promise<void> {
    const engine = await this.#engine?.catch(() => undefined);
    this.#engine = undefined;
    this.#answers.clear();
    await engine?.close();
  }

  async #answer(state: LakeState, key: string, sql: string, params: Params, signal: AbortSignal) {
    const { maxRows = 10_000, maxResultMb = 16 } = this.#options;
    const opened = await this.#open(state, sql, signal);
    try {
      const { query, columns } = await readable(opened, params, 'plain', maxRows + 1);
      const names = columns.map(({ name }) => name);
      const found: Record<string, Plain>[] = [];
      let bytes = 0;
      let truncated = false;
      for await (const batch of scan(opened.connection, query, { params, signal })) {
        bytes += bytesIn(batch);
        found.push(...plainRows(batch, names));
        truncated = bytes > maxResultMb * MB || found.length > maxRows;
        if (truncated) break;
      }
      const kept = found.slice(0, maxRows).map((row) => Object.freeze(row));
      const answer = { columns, rows: Object.freeze(kept), truncated, cached: false, version: state.version };
      if (opened.cacheable) this.#answers.set(key, answer, bytes);
      return answer;
    } catch (error) {
      throw this.#failure(error, sql, signal);
    } finally {
      await opened.close();
    }
  }

  async #open(state: LakeState, sql: string, signal: AbortSignal): Promise<OpenQuery> {
    const { threads = Math.min(THREADS, availableParallelism()), memoryMb = 256, diskMb = 10_000 } = this.#options;
    const home = resolve(this.#options.base ?? '.', this.#options.home ?? join(tmpdir(), 'drayage-lake'));
    try {
      this.#engine ??= Engine.open(this.#catalog, { threads, memoryMb, diskMb, home });
      return await (await this.#engine).open(state, sql, signal);
    } catch (error) {
      throw this.#failure(error, sql, signal);
    }
  }

  #failure(error: unknown, sql: string, signal: AbortSignal): unknown {
    // An internal error of DuckDB's ends all that it knows; the next query begins with a new one.
    if (isBroken(error)) {
      const broken = this.#engine;
      this.#engine = undefined;
      void broken?.then((engine) => engine.close()).catch(() => undefined);
    }
    return queryError(error, sql, signal);
  }
}

/** The query with its columns in a form that batches can hold. */
async function readable({ connection, query }: OpenQuery, params: Params, form: Form, limit?: number) {
  const columns = await describeBound(connection, query, params);
  const list = columns.map((column) => {
    const name = quoteIdentifier(column.name);
    const expression = column.expression(form);
    return expression === name ? name : `${expression ?? `${name}::VARCHAR`} as ${name}`;
  });
  return {
    query: `select ${list.join(', ')} from (${query})${limit === undefined ? '' : ` limit ${limit}`}`,
    columns: columns.map(({ name, type }): ResultColumn => ({ name, type })),
  };
}

const never = () => new AbortController().signal;

function keyValue(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
