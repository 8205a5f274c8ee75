import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { DrayageError, fileUnreadable } from '../base/errors.ts';
import type { SourceContext } from '../model/source.ts';
import { piecesOf } from '../store/pieces.ts';
import type { Held } from '../store/spool.ts';
import type { Range } from '../store/stored.ts';
import type { FoundFile, Packing } from './format.ts';
import { misnamed } from './misnamed.ts';

const PIECE_BYTES = 1024 * 1024;
/** Looked at together: little enough to stay in the processor's cache, and a string of it among the young objects. */
const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const HEAD_BYTES = 64;

/** A text file, or a part of one, where DuckDB can read it. */
export class Here {
  readonly path: string;
  readonly packing: Packing;
  readonly #file: FoundFile;
  readonly #held: Held;
  readonly #signal: AbortSignal;

  private constructor(path: string, file: FoundFile, held: Held, signal: AbortSignal, packing = file.packing) {
    this.path = path;
    this.packing = packing;
    this.#file = file;
    this.#held = held;
    this.#signal = signal;
  }

  /** @param range left out: the whole file, which is read in its own place where that is on this machine */
  static async bring(file: FoundFile, range: Range | undefined, { disk, signal }: SourceContext): Promise<Here> {
    const local = file.store.localPath(file);
    if (!range && local !== undefined) return new Here(local, file, await disk.hold(0, signal), signal);
    const wanted = range ?? { start: 0, end: file.size };
    const held = await disk.hold(wanted.end - wanted.start, signal);
    try {
      const path = join(held.folder, 'file');
      await pipeline(Readable.from(file.store.read(file, wanted, signal)), createWriteStream(path), { signal });
      return new Here(path, file, held, signal);
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  /**
   * Its bytes, unpacked.
   * @param brief whether each piece is done with when the next is asked for, so that its memory may be used again
   * @throws SOURCE_INVALID when it is not what its name says, or is packed and cut off or damaged
   */
  async *bytes({ brief = false } = {}): AsyncGenerator<Buffer> {
    let first = true;
    try {
      for await (const piece of brief && this.packing === 'none' ? piecesOf(this.path, this.#signal) : this.#stream()) {
        const problem = first ? misnamed(piece.subarray(0, HEAD_BYTES)) : undefined;
        if (problem) throw this.invalid(problem, 'Replace the file, or leave it out of the path.');
        first = false;
        yield piece;
      }
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async *#stream(): AsyncGenerator<Buffer> {
    const raw = createReadStream(this.path, { highWaterMark: PIECE_BYTES, signal: this.#signal });
    const unpacked =
      this.packing === 'gzip'
        ? createGunzip({ chunkSize: PIECE_BYTES })
        : createZstdDecompress({ chunkSize: PIECE_BYTES });
    const stream = this.packing === 'none' ? raw : raw.on('error', (error) => unpacked.destroy(error)).pipe(unpacked);
    try {
      yield* stream as AsyncIterable<Buffer>;
    } finally {
      raw.destroy();
    }
  }

  /** A new file beside it, for a copy in another form. Takes room on disk as it grows. */
  async write(name: string, pieces: AsyncIterable<Buffer>): Promise<string> {
    const path = join(this.#held.folder, name);
    const held = this.#held;
    async function* counted() {
      for await (const piece of pieces) {
        held.grow(piece.length);
        yield piece;
      }
    }
    await pipeline(Readable.from(counted()), createWriteStream(path), { signal: this.#signal });
    return path;
  }

  /** The same with another file that was written beside it in its place. */
  as(path: string): Here {
    return new Here(path, this.#file, this.#held, this.#signal, 'none');
  }

  invalid(problem: string, hint: string, cause?: unknown): DrayageError {
    const { path } = this.#file;
    return new DrayageError('SOURCE_INVALID', `${path} ${problem}`, { where: { file: path }, hint, cause });
  }

  release(): Promise<void> {
    return this.#held.release();
  }

  #explained(error: unknown): unknown {
    if (error instanceof DrayageError) return error;
    if (this.#signal.aborted) return new DrayageError('INTERRUPTED', 'The read was interrupted', { cause: error });
    const { code = '', message } = error as NodeJS.ErrnoException;
    const hint = 'Fetch or write the file anew.';
    if (/^(Z_BUF_ERROR|ERR_TRAILING)|unexpected end/i.test(`${code} ${message}`)) {
      return this.invalid(`is cut off: its ${this.packing} stream has no end`, hint, error);
    }
    if (/^(Z_|ZSTD_|ERR_ZLIB)/.test(code)) return this.invalid(`is not sound ${this.packing}: ${message}`, hint, error);
    return fileUnreadable(this.#file.path, error);
  }
}

/** The compression that DuckDB is told, in place of what a file's name would tell it. */
export const COMPRESSION: Readonly<Record<Packing, string>> = { none: 'uncompressed', gzip: 'gzip', zstd: 'zstd' };

/**
 * Pieces cut into blocks of whole lines, except perhaps the last, without copying more than the lines that lie in two
 * pieces. A block is good until the next one is asked for, if a piece is.
 */
export async function* wholeLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const piece of pieces) {
    let start = piece.indexOf(NEWLINE) + 1;
    if (start > 0 && rest.length > 0) {
      yield Buffer.concat([...rest, piece.subarray(0, start)]);
      rest = [];
    } else start = 0;
    const end = piece.lastIndexOf(NEWLINE) + 1;
    while (start < end) {
      const last = piece.lastIndexOf(NEWLINE, Math.min(start + BLOCK_BYTES, end) - 1);
      const next = (last >= start ? last : piece.indexOf(NEWLINE, start)) + 1;
      yield piece.subarray(start, next);
      start = next;
    }
    if (start < piece.length) rest.push(Buffer.from(piece.subarray(start)));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}
