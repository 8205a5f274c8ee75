import duckdb from '@duckdb/node-bindings';
import { copyShort, viewOf } from '../arrow/copy.ts';
import type { Scratch } from './scratch.ts';

/**
 * A DuckDB string or blob is 16 bytes: its length, then either up to 12 bytes in place, or a 4-byte prefix and an
 * 8-byte pointer (`string_t`, https://duckdb.org/docs/stable/clients/c/vector). One native call per pointer would cost
 * more than everything else together, so strings that lie close to each other are fetched in one run.
 */
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;

/**
 * Two strings with less than this between them are read in one run: the gap then lies in the memory pages of the two
 * strings themselves, so nothing unmapped is touched.
 */
const GAP_BYTES = 4096;

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
  const addresses = scratch.float64(rows);
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
  if (distantCount > 0) {
    sortByAddress(words, distant.subarray(0, distantCount), addresses);
    copyDistant(entries, words, distant.subarray(0, distantCount), addresses, offsets, bytes);
  }
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

function copyDistant(
  entries: Uint8Array,
  words: Uint32Array,
  rows: Int32Array,
  addresses: Float64Array,
  offsets: Int32Array,
  bytes: Uint8Array,
): void {
  const view = viewOf(bytes);
  for (let first = 0; first < rows.length; ) {
    const start = addresses[first]!;
    let end = start + words[rows[first]! * 4]!;
    let next = first + 1;
    for (; next < rows.length && addresses[next]! - end < GAP_BYTES; next++) {
      end = Math.max(end, addresses[next]! + words[rows[next]! * 4]!);
    }
    const pointerAt = entries.byteOffset + rows[first]! * ENTRY_BYTES + 8;
    const run = duckdb.get_data_from_pointer(entries.buffer as ArrayBuffer, pointerAt, end - start);
    const runView = viewOf(run);
    for (let index = first; index < next; index++) {
      const row = rows[index]!;
      copyShort(run, runView, addresses[index]! - start, bytes, view, offsets[row]!, words[row * 4]!);
    }
    first = next;
  }
}

/** Finds where each of the rows' strings lies, and puts rows and addresses into ascending order. */
function sortByAddress(words: Uint32Array, rows: Int32Array, addresses: Float64Array): void {
  const addressOf = (row: number) => words[row * 4 + 2]! + words[row * 4 + 3]! * 0x1_0000_0000;
  let ascending = true;
  for (let index = 0; index < rows.length; index++) {
    addresses[index] = addressOf(rows[index]!);
    ascending &&= index === 0 || addresses[index]! >= addresses[index - 1]!;
  }
  if (ascending) return;
  // Strings of a dictionary lie in one place, in another order than the rows.
  rows.sort((a, b) => addressOf(a) - addressOf(b));
  addresses.subarray(0, rows.length).sort();
}
