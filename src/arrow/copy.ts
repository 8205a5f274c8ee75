/** Up to this many bytes plain loops beat the call that copies a block. */
const BLOCK_BYTES = 256;
/** What is copied at a time. */
const WORD_BYTES = 8;

/**
 * Copies a value of a few bytes, a word at a time. A view of each value's own would be most of what there is to collect.
 * @param fromView over the same memory as `from`; likewise `toView`
 */
export function copyShort(
  from: Uint8Array,
  fromView: DataView,
  start: number,
  to: Uint8Array,
  toView: DataView,
  at: number,
  length: number,
): void {
  if (length > BLOCK_BYTES) {
    Buffer.prototype.copy.call(from, to, at, start, start + length);
    return;
  }
  const last = length - WORD_BYTES;
  if (last < 0) {
    for (let offset = 0; offset < length; offset++) to[at + offset] = from[start + offset]!;
    return;
  }
  for (let offset = 0; offset < last; offset += WORD_BYTES) {
    toView.setBigInt64(at + offset, fromView.getBigInt64(start + offset, true), true);
  }
  // The last word begins within the one before it, so that no bytes are left over.
  toView.setBigInt64(at + last, fromView.getBigInt64(start + last, true), true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
