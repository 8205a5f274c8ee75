import duckdb from '@duckdb/node-bindings';
import { copyShort, viewOf } from '../arrow/copy.ts';
import { giveBack } from '../base/memory.ts';
import type { Scratch } from './scratch.ts';

/**
 * A DuckDB string or blob is 16 bytes: its length, then either up to 12 bytes in place, or a 4-byte prefix and an
 * 8-byte pointer (`string_t`, https://duckdb.org/docs/stable/clients/c/vector). One native call per pointer would cost
 * more than everything else together. But a chunk of a result is a copy of its own, in which the strings of a column lie
 * one behind the other in a few blocks of memory, so that a few calls fetch them all.
 */
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;

export interface StringData {
  /** One more than there are rows. */
  offsets: Int32Array;
  bytes: Uint8Array;
}

/**
 * @param entries the vector's data, 16 bytes per row; entries of null rows are undefined memory and never looked at
 * @param validity the vector's bitmap, null when every row holds a value
 */
export function readStrings(
  entries: Uint8Array,
  rows: number,
  validity: Uint8Array | null,
  scratch: Scratch,
): StringData {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, rows * 4);
  const offsets = scratch.int32(rows + 1);
  const distant = scratch.int32(rows);
  let distantCount = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    offsets[row] = total;
    if (validity !== null && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    const length = words[row * 4]!;
    if (length > INLINE_BYTES) distant[distantCount++] = row;
    total += length;
  }
  offsets[rows] = total;
  if (total > 0x7fffffff) throw new RangeError('A chunk of more than 2 GiB of text cannot be read.');

  const bytes = scratch.bytes(total);
  if (distantCount < rows) copyInline(entries, offsets, rows, bytes);
  if (distantCount > 0) copyDistant(words, distant.subarray(0, distantCount), offsets, bytes);
  return { offsets, bytes };
}

function copyInline(entries: Uint8Array, offsets: Int32Array, rows: number, bytes: Uint8Array): void {
  for (let row = 0; row < rows; row++) {
    const start = offsets[row]!;
    const length = offsets[row + 1]! - start;
    if (length > INLINE_BYTES) continue;
    const from = row * ENTRY_BYTES + 4;
    for (let index = 0; index < length; index++) bytes[start + index] = entries[from + index]!;
  }
}

/**
 * Copies the strings that lie elsewhere, stretch by stretch of memory in which one lies directly behind the other.
 * @param rows those that do
 */
function copyDistant(words: Uint32Array, rows: Int32Array, offsets: Int32Array, bytes: Uint8Array): void {
  const addressOf = (row: number) => words[row * 4 + 2]! + words[row * 4 + 3]! * 0x1_0000_0000;
  for (let first = 0; first < rows.length; ) {
    const start = addressOf(rows[first]!);
    let end = start;
    let next = first;
    for (; next < rows.length && addressOf(rows[next]!) === end; next++) end += words[rows[next]! * 4]!;
    const stretch = memoryAt(start, end - start);
    const span = offsets[rows[next - 1]! + 1]! - offsets[rows[first]!]!;
    if (span === end - start) bytes.set(stretch, offsets[rows[first]!]!);
    else copyApart(stretch, words, rows.subarray(first, next), offsets, bytes);
    giveBack(stretch.buffer as ArrayBuffer);
    first = next;
  }
}

/** Copies the strings of a stretch whose rows have short ones between them. */
function copyApart(
  stretch: Uint8Array,
  words: Uint32Array,
  rows: Int32Array,
  offsets: Int32Array,
  bytes: Uint8Array,
): void {
  const [from, to] = [viewOf(stretch), viewOf(bytes)];
  let start = 0;
  for (const row of rows) {
    const length = words[row * 4]!;
    copyShort(stretch, from, start, bytes, to, offsets[row]!, length);
    start += length;
  }
}

const POINTER = new DataView(new ArrayBuffer(8));

/** A copy of the memory at an address. */
function memoryAt(address: number, length: number): Uint8Array {
  POINTER.setUint32(0, address % 0x1_0000_0000, true);
  POINTER.setUint32(4, address / 0x1_0000_0000, true);
  return duckdb.get_data_from_pointer(POINTER.buffer as ArrayBuffer, 0, length);
}
