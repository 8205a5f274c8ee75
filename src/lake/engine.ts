import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Closers } from '../base/lifecycle.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { Duck } from '../duckdb/instance.ts';
import { splitStatements } from '../postgres/statements.ts';
import { FileCache } from '../store/cache.ts';
import { isS3 } from '../store/s3.ts';
import { Spool } from '../store/spool.ts';
import type { LakeCatalog, LakeState } from './catalog.ts';
import { inspect } from './confine.ts';
import { Snapshot } from './snapshot.ts';

export interface EngineOptions {
  threads: number;
  memoryMb: number;
  home: string;
  diskMb: number;
}

/** A query that may be run. */
export interface OpenQuery {
  connection: DuckConnection;
  /** The one statement, on lines of its own so that it fits into others, whatever comment it ends with. */
  query: string;
  /** Whether its answer may be given again. */
  cacheable: boolean;
  close(): Promise<void>;
}

const MB = 1_000_000;

/** A DuckDB that can reach the files of one lake and nothing else, and the snapshots that it reads. */
export class Engine {
  /** Room on disk that the confinement leaves open. */
  readonly spool: Spool;
  readonly #duck: Duck;
  readonly #catalog: LakeCatalog;
  readonly #cache: FileCache;
  readonly #closers: Closers;
  #snapshot: Snapshot | undefined;

  private constructor(catalog: LakeCatalog, duck: Duck, spool: Spool, cache: FileCache, closers: Closers) {
    this.#catalog = catalog;
    this.#duck = duck;
    this.spool = spool;
    this.#cache = cache;
    this.#closers = closers;
  }

  static async open(catalog: LakeCatalog, { threads, memoryMb, home, diskMb }: EngineOptions): Promise<Engine> {
    const closers = new Closers();
    const spool = await Spool.open(join(home, 'open'), diskMb * MB);
    closers.add(() => spool.close());
    const links = join(spool.folder, 'files');
    await mkdir(links);
    const cache = await FileCache.open(join(home, 'files'), links, diskMb * MB);
    const folders = [spool.folder, ...(isS3(catalog.root) ? [] : [catalog.root])];
    const duck = new Duck({
      memoryMb,
      threads,
      spillDirectory: join(spool.folder, 'spill'),
      confinedTo: folders.map((folder) => `${folder}/`),
    });
    closers.add(() => duck.close());
    return new Engine(catalog, duck, spool, cache, closers);
  }

  /** @throws QUERY_INVALID, QUERY_REFUSED, LAKE_INVALID */
  async open(state: LakeState, sql: string, signal: AbortSignal): Promise<OpenQuery> {
    const snapshot = await this.#enter(state);
    const connection = await this.#duck.connect().catch((error) => {
      snapshot.users--;
      throw error;
    });
    const close = async () => {
      try {
        await this.#leave(snapshot, connection);
      } finally {
        connection.close();
      }
    };
    try {
      const { datasets, cacheable } = await inspect(connection, sql, [...state.datasets.keys()]);
      await snapshot.enter(connection, datasets, signal);
      return { connection, query: `\n${statementOf(sql)}\n`, cacheable, close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#closers.close();
  }

  async #enter(state: LakeState): Promise<Snapshot> {
    const former = this.#snapshot;
    if (former?.state.version !== state.version) {
      this.#snapshot = new Snapshot(state, this.#catalog, this.#cache);
      if (former?.users === 0) await this.#duck.use((connection) => former.drop(connection));
    }
    const snapshot = this.#snapshot!;
    snapshot.users++;
    return snapshot;
  }

  /** The last one to leave a snapshot that another one has taken the place of takes it down. */
  async #leave(snapshot: Snapshot, connection: DuckConnection): Promise<void> {
    if (--snapshot.users > 0 || snapshot === this.#snapshot) return;
    await snapshot.drop(connection);
  }
}

/** Without its semicolon, on the lines where it was written. */
function statementOf(sql: string): string {
  return `${/^\s*/.exec(sql)![0]}${splitStatements(sql)[0]}`;
}
