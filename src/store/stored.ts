import type { DrayageError } from '../base/errors.ts';

/** A file as it was found. */
export interface StoredFile {
  /** As written by the user, so that it means the same on every host; `s3://bucket/key` in S3. */
  path: string;
  size: number;
  /** Changes with the content: the time of the last change on disk, the etag in S3. */
  version: string;
}

export interface Range {
  /** First byte. */
  start: number;
  /** Byte after the last one. */
  end: number;
}

export interface FindOptions {
  /** Which names count when a folder or a prefix is given. */
  wanted: (name: string) => boolean;
  signal: AbortSignal;
}

/** Somewhere files lie. */
export interface FileStore {
  /**
   * The files that a path, a folder or a glob stands for, in the order of their names; none when there is none. A file
   * that may not be read comes with the reason.
   */
  find(path: string, options: FindOptions): AsyncIterable<StoredFile & { problem?: DrayageError }>;
  /** @throws SOURCE_MISSING */
  look(path: string): Promise<StoredFile>;
  /** The bytes of a range. @throws SOURCE_CHANGED when the store notices that the file is another one */
  read(file: StoredFile, range: Range, signal: AbortSignal): AsyncIterable<Buffer>;
  /** Where it lies on this machine, if it does. */
  localPath(file: StoredFile): string | undefined;
  /** Whether everything that is read is of the version that was found, since the store itself sees to it. */
  readonly pins: boolean;
}

export const isGlob = (path: string): boolean => /[*?{[]/.test(path);

/** The part of a glob before its first segment with a wildcard. */
export function globBase(pattern: string): string {
  const segments = pattern.split('/');
  return segments.slice(0, segments.findIndex(isGlob)).join('/');
}
