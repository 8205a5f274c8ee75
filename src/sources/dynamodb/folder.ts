import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DrayageError, fileUnreadable } from '../../base/errors.ts';
import { isS3, parseS3, type S3Options, s3Store, s3Uri } from '../../store/s3.ts';

/** A folder of files that are only read, on disk or in S3. */
export interface Folder {
  /** A file as people know it. */
  nameOf(name: string): string;
  /** @throws SOURCE_MISSING, SOURCE_UNREADABLE, STORE_DENIED */
  text(name: string, signal: AbortSignal): Promise<string>;
  /** @throws SOURCE_MISSING, SOURCE_UNREADABLE, STORE_DENIED */
  bytes(name: string, signal: AbortSignal): AsyncIterable<Buffer>;
}

/** @param path on disk, relative to the root, or `s3://bucket/prefix` */
export function openFolder(path: string, root: string, options: S3Options): Folder {
  const trimmed = path.replace(/\/+$/, '');
  return isS3(path) ? inS3(trimmed, options) : onDisk(trimmed, root);
}

function onDisk(path: string, root: string): Folder {
  const nameOf = (name: string) => join(path, name);
  const absolute = (name: string) => resolve(root, nameOf(name));
  const failed = (name: string, cause: NodeJS.ErrnoException, signal: AbortSignal): unknown => {
    const { code } = cause;
    const where = { file: nameOf(name) };
    if (signal.aborted) return new DrayageError('INTERRUPTED', 'The read was interrupted', { where, cause });
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return new DrayageError('SOURCE_MISSING', `There is no file ${nameOf(name)}`, {
        where,
        hint: `An export has its manifests and data/ in one folder; relative paths start at ${root}.`,
        cause,
      });
    }
    return fileUnreadable(nameOf(name), cause);
  };
  return {
    nameOf,
    text: (name, signal) =>
      readFile(absolute(name), { encoding: 'utf8', signal }).catch((error) => {
        throw failed(name, error, signal);
      }),
    async *bytes(name, signal) {
      try {
        yield* createReadStream(absolute(name), { highWaterMark: 256 * 1024 });
      } catch (error) {
        throw failed(name, error as Error, signal);
      }
    },
  };
}

function inS3(uri: string, options: S3Options): Folder {
  const { bucket, key } = parseS3(uri);
  const at = (name: string) => ({ bucket, key: key === '' ? name : `${key}/${name}` });
  return {
    nameOf: (name) => s3Uri(at(name)),
    text: async (name, signal) => (await s3Store(options).getBytes(at(name), { signal })).toString('utf8'),
    bytes: (name, signal) => s3Store(options).get(at(name), { signal }),
  };
}
