import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import { type LakeFile, liveFiles, MANIFEST_FOLDER, type Manifest, parseManifest } from '../model/manifest.ts';
import { storeOf } from '../store/files.ts';
import { isS3, type S3Options } from '../store/s3.ts';
import type { FileStore, StoredFile } from '../store/stored.ts';

/** What a lake holds at a moment. */
export interface LakeState {
  /** Another one after every publish. */
  version: string;
  manifests: readonly Manifest[];
  /** In the order of their paths. */
  files: readonly LakeFile[];
  datasets: ReadonlyMap<string, readonly LakeFile[]>;
}

/**
 * A folder that was changed a moment ago may change again without a later date: clocks of file systems tick every
 * few milliseconds.
 */
const SETTLED_MS = 1_000;
const READS_AT_ONCE = 16;
const LISTINGS = 3;

/** Reads the manifests of a lake, each of them once, since they are never changed. Data folders are never listed. */
export class LakeCatalog {
  readonly root: string;
  readonly store: FileStore;
  readonly #parsed = new Map<string, Promise<Manifest>>();
  #state: LakeState | undefined;
  /** The date of the local folder when it was listed and had settled. */
  #listedMs: number | undefined;

  /** @param root a folder, absolute or relative to `base`, or `s3://bucket/prefix` */
  constructor(root: string, base: string, s3: S3Options = {}) {
    this.root = isS3(root) ? root.replace(/\/+$/, '') : resolve(base, root);
    this.store = storeOf(root, { root: base, s3, followLinks: false });
  }

  /** Where a file of the lake lies. */
  pathOf(path: string): string {
    return isS3(this.root) ? `${this.root}/${path}` : join(this.root, path);
  }

  /** @throws LAKE_MISSING when nothing was ever published there, LAKE_INVALID when a manifest is damaged */
  async read(signal: AbortSignal): Promise<LakeState> {
    for (let left = LISTINGS; ; left--) {
      try {
        return await this.#read(signal);
      } catch (error) {
        // Rivals take manifests back, between the listing and the reading, too.
        if (left === 1 || !(error instanceof DrayageError) || error.code !== 'SOURCE_MISSING') throw error;
      }
    }
  }

  async #read(signal: AbortSignal): Promise<LakeState> {
    const folder = this.pathOf(MANIFEST_FOLDER);
    const changedMs = isS3(folder) ? undefined : (await stat(folder).catch(absent))?.mtimeMs;
    if (this.#state && changedMs !== undefined && changedMs === this.#listedMs) return this.#state;
    const settled = changedMs !== undefined && Date.now() - changedMs > SETTLED_MS;
    const found = await this.#list(folder, signal);
    if (found.length === 0) {
      throw new DrayageError('LAKE_MISSING', 'There is no lake, or nothing has been published into it', {
        where: { file: this.root },
        hint: 'Give its root: the folder or s3://bucket/prefix that holds _manifest.',
      });
    }
    const hash = createHash('sha256');
    for (const { path, version } of found) hash.update(`${path}\n${version}\n`);
    const version = hash.digest('hex').slice(0, 16);
    if (this.#state?.version !== version) this.#state = await this.#load(found, version, signal);
    this.#listedMs = settled ? changedMs : undefined;
    return this.#state;
  }

  /** All manifests; none where nothing was published yet. */
  async manifests(signal: AbortSignal): Promise<readonly Manifest[]> {
    try {
      return (await this.read(signal)).manifests;
    } catch (error) {
      if (error instanceof DrayageError && error.code === 'LAKE_MISSING') return [];
      throw error;
    }
  }

  async #list(folder: string, signal: AbortSignal): Promise<StoredFile[]> {
    const found: StoredFile[] = [];
    for await (const { problem, ...file } of this.store.find(isS3(folder) ? `${folder}/` : folder, {
      wanted: (name) => name.endsWith('.json'),
      signal,
    })) {
      if (problem) throw problem;
      found.push(file);
    }
    return found;
  }

  async #load(found: readonly StoredFile[], version: string, signal: AbortSignal): Promise<LakeState> {
    const waiting = [...found];
    const readNext = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) await this.#manifest(file, signal);
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, readNext));
    const manifests = await Promise.all(found.map((file) => this.#manifest(file, signal)));
    const files = liveFiles(manifests);
    return { version, manifests, files, datasets: Map.groupBy(files, ({ dataset }) => dataset) };
  }

  #manifest(file: StoredFile, signal: AbortSignal): Promise<Manifest> {
    const key = `${file.path}\n${file.version}`;
    const known = this.#parsed.get(key);
    if (known) return known;
    const reading = this.#readManifest(file, signal);
    this.#parsed.set(key, reading);
    reading.catch(() => this.#parsed.delete(key));
    return reading;
  }

  async #readManifest(file: StoredFile, signal: AbortSignal): Promise<Manifest> {
    const pieces = await Array.fromAsync(this.store.read(file, { start: 0, end: file.size }, signal));
    return parseManifest(Buffer.concat(pieces).toString('utf8'), file.path);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
