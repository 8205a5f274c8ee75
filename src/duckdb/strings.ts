import duckdb from '@duckdb/node-bindings';
import { copyShort, viewOf } from '../arrow/copy.ts';
import { giveBack } from '../base/memory.ts';
import type { Scratch } from './scratch.ts';

/**
 * A DuckDB string or blob is 16 bytes: its length, then either up to 12 bytes in place, or a 4-byte prefix and an
 * 8-byte pointer (`string_t`, https://duckdb.org/docs/stable/clients/c/vector). One native call per pointer would cost
 * more than everything else together, so memory is fetched by the page: strings lie one behind the other, or in a
 * dictionary, and a stretch of pages that all hold a part of some string is mapped from end to end.
 */
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;

/** The smallest page of any system that we run on. */
const PAGE_BYTES = 4096;

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
  if (distantCount > 0) copyDistant(words, distant.subarray(0, distantCount), offsets, bytes, scratch);
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

/** Copies the strings that lie elsewhere. @param rows those that do */
function copyDistant(
  words: Uint32Array,
  rows: Int32Array,
  offsets: Int32Array,
  bytes: Uint8Array,
  scratch: Scratch,
): void {
  const addresses = scratch.float64(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const at = rows[index]! * 4;
    addresses[index] = words[at + 2]! + words[at + 3]! * 0x1_0000_0000;
  }
  const stretches = mapStretches(words, rows, addresses);
  const view = viewOf(bytes);
  let stretch = stretches.values().next().value!;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    const address = addresses[index]!;
    const known = address >= stretch.start && address < stretch.start + stretch.bytes.length;
    if (!known) stretch = stretches.get(Math.floor(address / PAGE_BYTES))!;
    copyShort(stretch.bytes, stretch.view, address - stretch.start, bytes, view, offsets[row]!, words[row * 4]!);
  }
  for (const { bytes: mapped } of new Set(stretches.values())) giveBack(mapped.buffer as ArrayBuffer);
}

/** Consecutive pages that are mapped. */
interface Stretch {
  /** Address of the first page. */
  start: number;
  bytes: Uint8Array;
  view: DataView;
}

/** The stretches of pages that the strings lie in, by page. */
function mapStretches(words: Uint32Array, rows: Int32Array, addresses: Float64Array): Map<number, Stretch> {
  const touched = new Set<number>();
  let latest = -1;
  for (let index = 0; index < rows.length; index++) {
    const address = addresses[index]!;
    const last = Math.floor((address + words[rows[index]! * 4]! - 1) / PAGE_BYTES);
    for (let page = Math.floor(address / PAGE_BYTES); page <= last; page++) {
      // Neighbours mostly lie in one page.
      if (page !== latest) touched.add(page);
      latest = page;
    }
  }
  const pages = Float64Array.from(touched).sort();
  const stretches = new Map<number, Stretch>();
  for (let first = 0; first < pages.length; ) {
    let end = first + 1;
    while (end < pages.length && pages[end]! === pages[end - 1]! + 1) end++;
    const start = pages[first]! * PAGE_BYTES;
    const bytes = memoryAt(start, (end - first) * PAGE_BYTES);
    const stretch = { start, bytes, view: viewOf(bytes) };
    for (; first < end; first++) stretches.set(pages[first]!, stretch);
  }
  return stretches;
}

const POINTER = new DataView(new ArrayBuffer(8));

/** A copy of the memory at an address. */
function memoryAt(address: number, length: number): Uint8Array {
  POINTER.setUint32(0, address % 0x1_0000_0000, true);
  POINTER.setUint32(4, address / 0x1_0000_0000, true);
  return duckdb.get_data_from_pointer(POINTER.buffer as ArrayBuffer, 0, length);
}
