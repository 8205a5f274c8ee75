import { createReadStream } from 'node:fs';
import { DrayageError } from '../base/errors.ts';
import type { Place } from './place.ts';
import { parseS3, type S3Location, type S3Options, type S3Store, s3Store, s3Uri } from './s3.ts';

/** Keys below a prefix of S3, where an object appears when its upload is complete. */
export class S3Place implements Place {
  readonly uri: string;
  readonly staging = undefined;
  readonly #root: S3Location;
  readonly #store: S3Store;

  constructor(root: string, options: S3Options) {
    const { bucket, key } = parseS3(root);
    this.#root = { bucket, key: key === '' || key.endsWith('/') ? key : `${key}/` };
    this.uri = s3Uri({ bucket, key: key.replace(/\/$/, '') });
    this.#store = s3Store(options);
  }

  async read(path: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return (await this.#store.getBytes(this.#at(path), { signal })).toString('utf8');
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw error;
    }
  }

  write(path: string, text: string, signal: AbortSignal): Promise<void> {
    return this.#store.put(this.#at(path), text, signal);
  }

  put(file: string, path: string, signal: AbortSignal): Promise<void> {
    return this.#store.upload(this.#at(path), createReadStream(file), signal);
  }

  async holds(path: string, bytes: number, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#store.head(this.#at(path), signal)).size === bytes;
    } catch (error) {
      if (isMissingObject(error)) return false;
      throw error;
    }
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    if (paths.length === 0) return;
    const keys = paths.map((path) => this.#at(path).key);
    await this.#store.delete(this.#root.bucket, keys, signal);
  }

  async giveUp(paths: readonly string[], signal: AbortSignal): Promise<void> {
    const keys = new Set(paths.map((path) => this.#at(path).key));
    if (keys.size > 0) await this.#store.abortUploads(this.#root, keys, signal);
  }

  #at(path: string): S3Location {
    return { bucket: this.#root.bucket, key: this.#root.key + path };
  }
}

/** As opposed to a missing bucket. */
function isMissingObject(error: unknown): boolean {
  return error instanceof DrayageError && error.code === 'SOURCE_MISSING' && /object/.test(error.message);
}
