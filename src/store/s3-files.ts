import { matchesGlob } from 'node:path/posix';
import { DrayageError } from '../base/errors.ts';
import { parseS3, type S3Object, type S3Options, type S3Store, s3Store, s3Uri } from './s3.ts';
import type { FileStore, FindOptions, Range, StoredFile } from './stored.ts';

/** Objects of S3 as files. Every read asks for the etag that was found, so a changed object is noticed by S3 itself. */
export class S3Files implements FileStore {
  readonly pins = true;
  readonly #store: S3Store;

  constructor(options: S3Options) {
    this.#store = s3Store(options);
  }

  async *find(path: string, { wanted, signal }: FindOptions): AsyncGenerator<StoredFile> {
    const { bucket, key } = parseS3(path);
    const wildcard = key.search(/[*?{[]/);
    if (wildcard === -1 && key !== '' && !key.endsWith('/')) {
      const object = await this.#store.head({ bucket, key }, signal).catch(unlessMissing);
      if (object) {
        yield asFile(object);
        return;
      }
    }
    const prefix = wildcard === -1 ? folderOf(key) : key.slice(0, wildcard);
    for await (const object of this.#store.list({ bucket, key: prefix }, signal)) {
      const rest = object.key.slice(prefix.length);
      // Consoles make an empty object for a folder; names with a dot are nobody's data.
      if (object.key.endsWith('/') || /(^|\/)\./.test(rest)) continue;
      if (wildcard === -1 ? wanted(object.key) : matchesGlob(object.key, key)) yield asFile(object);
    }
  }

  async look(path: string): Promise<StoredFile> {
    return asFile(await this.#store.head(parseS3(path)));
  }

  read({ path, version }: StoredFile, { start, end }: Range, signal: AbortSignal): AsyncIterable<Buffer> {
    return this.#store.get(parseS3(path), { start, end, etag: version, signal });
  }

  localPath(): undefined {
    return undefined;
  }
}

const folderOf = (key: string) => (key === '' || key.endsWith('/') ? key : `${key}/`);

function asFile(object: S3Object): StoredFile {
  return { path: s3Uri(object), size: object.size, version: object.etag };
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof DrayageError) || error.code !== 'SOURCE_MISSING') throw error;
}
