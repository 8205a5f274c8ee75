/** Below this many bytes plain loops beat the call that copies a block. */
const BLOCK_BYTES = 96;

/**
 * Copies a value of a few bytes, four at a time.
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
    to.set(from.subarray(start, start + length), at);
    return;
  }
  let offset = 0;
  for (; offset <= length - 4; offset += 4) toView.setInt32(at + offset, fromView.getInt32(start + offset));
  for (; offset < length; offset++) to[at + offset] = from[start + offset]!;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
