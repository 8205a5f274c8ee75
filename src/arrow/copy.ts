/** Up to this many bytes plain loops beat the call that copies a block. */
const BLOCK_BYTES = 160;

/**
 * Copies a value of a few bytes, eight at a time. A view of each value's own would be most of what there is to collect.
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
  let offset = 0;
  for (; offset <= length - 8; offset += 8) toView.setBigInt64(at + offset, fromView.getBigInt64(start + offset));
  if (offset <= length - 4) {
    toView.setInt32(at + offset, fromView.getInt32(start + offset));
    offset += 4;
  }
  for (; offset < length; offset++) to[at + offset] = from[start + offset]!;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
