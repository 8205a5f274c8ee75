import { createHash, randomUUID } from 'node:crypto';
import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { quoteIdentifier } from '../duckdb/types.ts';
import type { LakeFile } from '../model/manifest.ts';
import type { FileCache } from '../store/cache.ts';
import type { LakeCatalog, LakeState } from './catalog.ts';
import { relationOf } from './relation.ts';

const FETCHES_AT_ONCE = 6;

/**
 * One state of a lake as views in a schema of their own, so that a query sees the same files from beginning to end
 * whatever is published meanwhile. A view is made, and its files are fetched, when the first query asks for it.
 */
export class Snapshot {
  readonly state: LakeState;
  readonly schema: string;
  /** Queries that read it. */
  users = 0;
  readonly #catalog: LakeCatalog;
  readonly #cache: FileCache;
  readonly #views = new Map<string, Promise<void>>();
  readonly #held: string[] = [];
  #made: Promise<unknown> | undefined;

  constructor(state: LakeState, catalog: LakeCatalog, cache: FileCache) {
    this.state = state;
    // Of the same state there may be two: one that was followed by another is taken up again by who had read it before.
    this.schema = `snapshot_${randomUUID().replaceAll('-', '')}`;
    this.#catalog = catalog;
    this.#cache = cache;
  }

  /** Makes the datasets known to the connection by their names. */
  async enter(connection: DuckConnection, datasets: Iterable<string>, signal: AbortSignal): Promise<void> {
    this.#made ??= connection.execute(`create schema ${this.schema}`);
    await this.#made;
    for (const dataset of datasets) await this.#provide(connection, dataset, signal);
    await connection.execute(`use ${this.schema}`);
  }

  /** Makes a view, or waits for somebody who does; if that comes to nothing, as when he is interrupted, it is made all the same. */
  async #provide(connection: DuckConnection, dataset: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const shared = this.#views.get(dataset);
      const view = shared ?? this.#makeView(connection, dataset, signal);
      this.#views.set(dataset, view);
      try {
        return await view;
      } catch (error) {
        if (this.#views.get(dataset) === view) this.#views.delete(dataset);
        if (!shared || signal.aborted) throw error;
      }
    }
  }

  /** When nobody reads it any more. */
  async drop(connection: DuckConnection): Promise<void> {
    await connection.execute(`drop schema if exists ${this.schema} cascade`);
    for (const path of this.#held.splice(0)) await this.#cache.release(path);
  }

  async #makeView(connection: DuckConnection, dataset: string, signal: AbortSignal): Promise<void> {
    const files = this.state.datasets.get(dataset) ?? [];
    const paths = await this.#localPaths(files, signal);
    const name = `${this.schema}.${quoteIdentifier(dataset)}`;
    try {
      await connection.execute(`create view ${name} as ${relationOf(files, (file) => paths.get(file)!)}`);
    } catch (error) {
      if (!(error instanceof DrayageError)) throw error;
      throw new DrayageError('LAKE_INVALID', `Dataset ${dataset} cannot be read: ${error.message}`, {
        where: { file: this.#catalog.root },
        hint: '"dray lake verify" tells which files are missing or damaged.',
        cause: error,
      });
    }
  }

  async #localPaths(files: readonly LakeFile[], signal: AbortSignal): Promise<Map<LakeFile, string>> {
    const paths = new Map<LakeFile, string>();
    const waiting = [...files];
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const takeNext = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        paths.set(file, await this.#localPath(file, either));
      }
    };
    try {
      await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, takeNext));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
    return paths;
  }

  async #localPath(file: LakeFile, signal: AbortSignal): Promise<string> {
    const { store } = this.#catalog;
    const path = this.#catalog.pathOf(file.path);
    const here = store.localPath({ path, size: file.bytes, version: '' });
    if (here !== undefined) return here;
    // Its folders become columns.
    const wanted = { key: file.checksum, name: file.path, size: file.bytes };
    const fetch = (until: AbortSignal) => checked(this.#catalog, file, until);
    const held = await this.#cache.hold({ ...wanted, fetch }, signal);
    this.#held.push(held);
    return held;
  }
}

/** The bytes of a file of the lake. @throws LAKE_INVALID when they are others than the manifest says */
async function* checked(catalog: LakeCatalog, file: LakeFile, signal: AbortSignal): AsyncGenerator<Buffer> {
  const path = catalog.pathOf(file.path);
  const found = await catalog.store.look(path);
  const hash = createHash('sha256');
  for await (const piece of catalog.store.read(found, { start: 0, end: found.size }, signal)) {
    hash.update(piece);
    yield piece;
  }
  if (hash.digest('hex') === file.checksum) return;
  throw new DrayageError('LAKE_INVALID', 'The file holds other bytes than were published', {
    where: { file: path },
    hint: 'Restore it, or publish its data again; "dray lake verify" tells of all such files.',
  });
}
