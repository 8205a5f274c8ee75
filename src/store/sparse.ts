import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../base/whole-write.ts';
import type { Held, Spool } from './spool.ts';
import type { FileStore, Range, StoredFile } from './stored.ts';

const GETS_AT_ONCE = 6;
const GET_BYTES = 8 * 1024 * 1024;
/** Ranges that are nearer to each other are fetched together, as long as the gaps are few bytes of the whole. */
const GAP_BYTES = 64 * 1024;
const GAP_SHARE = 0.01;

/**
 * A file of the same length as one that lies elsewhere, which holds only the parts that were asked for; the rest are
 * holes that take no room on disk.
 */
export class SparseFile {
  readonly path: string;
  readonly #file: StoredFile;
  readonly #store: FileStore;
  readonly #held: Held;
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal;
  /** What is here, by first byte. */
  readonly #here = new Map<number, number>();

  private constructor(
    path: string,
    file: StoredFile,
    store: FileStore,
    held: Held,
    handle: FileHandle,
    signal: AbortSignal,
  ) {
    this.path = path;
    this.#file = file;
    this.#store = store;
    this.#held = held;
    this.#handle = handle;
    this.#signal = signal;
  }

  static async open(file: StoredFile, store: FileStore, spool: Spool, signal: AbortSignal): Promise<SparseFile> {
    const held = await spool.hold(0, signal);
    try {
      const path = join(held.folder, 'sparse');
      const handle = await open(path, 'w+');
      await handle.truncate(file.size).catch(async (error) => {
        await handle.close();
        throw error;
      });
      return new SparseFile(path, file, store, held, handle, signal);
    } catch (error) {
      await held.release();
      throw error;
    }
  }

  /** Puts in place what is known already. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    await writeWhole(this.#handle, bytes, position);
  }

  /** Fetches what is not here yet. */
  async fill(ranges: readonly Range[]): Promise<void> {
    const missing = ranges.filter(({ start, end }) => end > start && (this.#here.get(start) ?? 0) < end);
    const merged = merge(missing);
    this.#held.grow(merged.reduce((sum, { start, end }) => sum + end - start, 0));
    const pieces = merged.flatMap(cut);
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#signal, failed.signal]);
    const fetchNext = async () => {
      for (let piece = pieces.shift(); piece; piece = pieces.shift()) {
        let at = piece.start;
        for await (const bytes of this.#store.read(this.#file, piece, signal)) {
          await this.write(bytes, at);
          at += bytes.length;
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: GETS_AT_ONCE }, fetchNext));
    } catch (error) {
      failed.abort();
      throw error;
    }
    for (const { start, end } of missing) this.#here.set(start, end);
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await this.#held.release();
  }
}

function merge(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  const wanted = sorted.reduce((sum, { start, end }) => sum + end - start, 0);
  let gaps = wanted * GAP_SHARE;
  const merged: Range[] = [];
  for (const { start, end } of sorted) {
    const last = merged.at(-1);
    const gap = last ? Math.max(0, start - last.end) : Number.POSITIVE_INFINITY;
    if (last && gap <= Math.min(GAP_BYTES, gaps)) {
      gaps -= gap;
      last.end = Math.max(last.end, end);
    } else merged.push({ start, end });
  }
  return merged;
}

function cut({ start, end }: Range): Range[] {
  const count = Math.ceil((end - start) / GET_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    start: start + index * GET_BYTES,
    end: Math.min(end, start + (index + 1) * GET_BYTES),
  }));
}
