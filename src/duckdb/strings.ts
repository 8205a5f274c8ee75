import duckdb from '@duckdb/node-bindings';

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
 * @param isValid whether a row holds a value
 */
export function readStrings(entries: Uint8Array, rows: number, isValid: (row: number) => boolean): StringData {
  const words = new Uint32Array(entries.buffer, entries.byteOffset, rows * 4);
  const offsets = new Int32Array(rows + 1);
  const distant = new Int32Array(rows);
  let distantCount = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    offsets[row] = total;
    if (!isValid(row)) continue;
    const length = words[row * 4]!;
    if (length > INLINE_BYTES) distant[distantCount++] = row;
    total += length;
  }
  offsets[rows] = total;
  if (total > 0x7fffffff) throw new RangeError('A chunk of more than 2 GiB of text cannot be read.');

  const bytes = new Uint8Array(total);
  for (let row = 0; row < rows; row++) {
    const start = offsets[row]!;
    const length = offsets[row + 1]! - start;
    if (length === 0 || length > INLINE_BYTES) continue;
    const from = row * ENTRY_BYTES + 4;
    for (let index = 0; index < length; index++) bytes[start + index] = entries[from + index]!;
  }
  copyDistant(entries, words, distant.subarray(0, distantCount), offsets, bytes);
  return { offsets, bytes };
}

function copyDistant(
  entries: Uint8Array,
  words: Uint32Array,
  rows: Int32Array,
  offsets: Int32Array,
  bytes: Uint8Array,
): void {
  const addressOf = (row: number) => words[row * 4 + 2]! + words[row * 4 + 3]! * 0x1_0000_0000;
  if (!isAscending(rows, addressOf)) rows.sort((a, b) => addressOf(a) - addressOf(b));

  for (let first = 0; first < rows.length; ) {
    const start = addressOf(rows[first]!);
    let end = start + words[rows[first]! * 4]!;
    let next = first + 1;
    for (; next < rows.length; next++) {
      const address = addressOf(rows[next]!);
      if (address - end >= GAP_BYTES) break;
      end = Math.max(end, address + words[rows[next]! * 4]!);
    }
    const pointerAt = entries.byteOffset + rows[first]! * ENTRY_BYTES + 8;
    const run = duckdb.get_data_from_pointer(entries.buffer as ArrayBuffer, pointerAt, end - start);
    for (let index = first; index < next; index++) {
      const row = rows[index]!;
      const from = addressOf(row) - start;
      bytes.set(run.subarray(from, from + words[row * 4]!), offsets[row]!);
    }
    first = next;
  }
}

function isAscending(rows: Int32Array, addressOf: (row: number) => number): boolean {
  let previous = -1;
  for (const row of rows) {
    const address = addressOf(row);
    if (address < previous) return false;
    previous = address;
  }
  return true;
}
