import { type FileHandle, open } from 'node:fs/promises';
import { DrayageError } from '../../base/errors.ts';
import { Unreadable } from './python.ts';

/** One entry of a session file, by its key. */
export interface Entry {
  key: string;
  /** A pickle or JSON text; null when it was too large to be read. */
  content: Uint8Array | string | null;
  /** Given when the content is a bare node of this type, and not an anchor around one. */
  type?: string;
  /** Why it cannot be used, when that is known already. */
  problem?: Unreadable;
}

/** A file that a session lies in, and what belongs to it. */
export interface SessionFile {
  /** As written by the user. */
  path: string;
  absolute: string;
  /** Files beside it that hold a part of the session: an index, or a log of changes. */
  companions: readonly string[];
}

/** One way to keep a session in files. */
export interface Container {
  /** As people call it. */
  name: string;
  /** The entries, in an order that stays the same while the file does. @throws SOURCE_INVALID */
  entries(file: SessionFile, scratch: string): AsyncIterable<Entry>;
}

/** Bytes of an entry; a larger one is rejected without being read. */
export const LARGEST_ENTRY = 32 * 1024 * 1024;

export function tooLarge(key: string, bytes: number): Entry {
  return { key, content: null, problem: new Unreadable('too_large', `the entry has ${bytes} bytes`) };
}

/** Reads by position, and knows when a file contradicts itself. */
export class Reader {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly size: number;
  #claimed = 0;

  private constructor(handle: FileHandle, path: string, size: number) {
    this.#handle = handle;
    this.#path = path;
    this.size = size;
  }

  static async open({ path, absolute }: Pick<SessionFile, 'path' | 'absolute'>): Promise<Reader> {
    const handle = await open(absolute);
    return new Reader(handle, path, (await handle.stat()).size);
  }

  /** @throws SOURCE_INVALID beyond the end of the file */
  async read(position: number, length: number): Promise<Buffer> {
    if (position < 0 || length < 0 || position + length > this.size) {
      throw this.damaged(`it ends at byte ${this.size}, and refers to bytes up to ${position + length}`);
    }
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, position);
    if (bytesRead < length) throw this.damaged('it was cut off while it was read');
    return buffer;
  }

  /** Entries share no bytes, so all together are no larger than the file; a file made to be endless is found out. */
  claim(length: number): void {
    this.#claimed += length;
    if (this.#claimed > this.size) throw this.damaged('its entries lie over one another');
  }

  damaged(problem: string): DrayageError {
    return damaged(this.#path, problem);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

export function damaged(path: string, problem: string, cause?: unknown): DrayageError {
  return new DrayageError('SOURCE_INVALID', `The session file is damaged: ${problem}`, {
    where: { file: path },
    hint: 'Stop the program that writes it, copy the file anew, and enqueue the job again.',
    cause,
  });
}
