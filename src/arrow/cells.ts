import type { Data } from 'apache-arrow';

/** Whether row `index` holds a value; a batch of Arrow may start in the middle of its bitmap. */
export function isValid(data: Data, index: number): boolean {
  const bitmap = data.nullBitmap;
  if (!bitmap || bitmap.byteLength === 0) return true;
  const bit = data.offset + index;
  return ((bitmap[bit >> 3]! >> (bit & 7)) & 1) === 1;
}

/** Whether any row may be null. */
export function hasNulls(data: Data): boolean {
  return !!data.nullBitmap && data.nullBitmap.byteLength > 0;
}

/**
 * All bits set if the one at `place` of a bitmap is, none if it is not: for arithmetic in the place of a branch, which takes
 * longer than the rest of a loop where the processor cannot foresee it.
 * @param place of a row: its index and the column's offset
 */
export function maskAt(bitmap: Uint8Array, place: number): number {
  return -((bitmap[place >> 3]! >> (place & 7)) & 1);
}

/** Whether row `index` of a boolean column is true; Arrow keeps eight to the byte. */
export function isTrue(data: Data, index: number): boolean {
  const bit = data.offset + index;
  return ((data.values[bit >> 3]! >> (bit & 7)) & 1) === 1;
}

/** The bytes of row `index` of a column of strings or blobs. */
export function bytesOf(data: Data, index: number): Uint8Array {
  return data.values.subarray(data.valueOffsets[index], data.valueOffsets[index + 1]);
}

export function textOf(data: Data, index: number): string {
  const bytes = bytesOf(data, index);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * Values of 8 or 16 bytes as 32-bit words, low word first; arithmetic on BigInt would be ten times slower.
 * @param values a typed array at a multiple of 4 bytes
 */
export function wordsOf(values: ArrayBufferView): Int32Array {
  return new Int32Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength / 4);
}

/** A bit for every row, set where `isSet`; as long as Arrow likes bitmaps to be. */
export function packBits(rows: number, isSet: (row: number) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(rows / 64) * 8);
  for (let row = 0; row < rows; row++) if (isSet(row)) bits[row >> 3]! |= 1 << (row & 7);
  return bits;
}

/** Which rows hold a value, as a bitmap that begins with row 0; null when all do. */
export function validityOf(data: Data): Uint8Array | null {
  return hasNulls(data) ? packBits(data.length, (row) => isValid(data, row)) : null;
}
