const MAGIC = 0x184d2204;
const LEAST_MATCH = 4;
/** Set in the length of a block that is stored as it is. */
const STORED = 0x80000000;

/**
 * Unpacks an LZ4 frame, as Arrow packs its buffers with
 * (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md, lz4_Block_format.md). Checksums are not looked at.
 * @throws for anything that is no whole frame
 */
export function unpackLz4(packed: Uint8Array): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (packed.length < 7 || view.getUint32(0, true) !== MAGIC) throw new Error('a buffer is no LZ4 frame');
  const flags = packed[4]!;
  const hasSize = (flags & 0x08) !== 0;
  const blockChecksum = flags & 0x10 ? 4 : 0;
  const out = new Output(hasSize ? Number(view.getBigUint64(6, true)) : packed.length * 4);
  let at = 7 + (hasSize ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  for (;;) {
    if (at + 4 > packed.length) throw new Error('an LZ4 frame is cut off');
    const head = view.getUint32(at, true);
    at += 4;
    if (head === 0) return out.whole();
    const end = at + (head & ~STORED);
    if (end > packed.length) throw new Error('an LZ4 frame is cut off');
    if (head >= STORED) out.append(packed, at, end - at);
    else unpackBlock(packed, at, end, out);
    at = end + blockChecksum;
  }
}

function unpackBlock(packed: Uint8Array, start: number, end: number, out: Output): void {
  let at = start;
  /** A length of 15 goes on in further bytes, until one is not 255. */
  const long = (length: number) => {
    let sum = length;
    if (length !== 15) return sum;
    for (let more = 255; more === 255; sum += more) more = packed[at++]!;
    return sum;
  };
  while (at < end) {
    const token = packed[at++]!;
    const literals = long(token >> 4);
    out.append(packed, at, literals);
    at += literals;
    // The last sequence is literals alone.
    if (at >= end) return;
    const distance = packed[at]! | (packed[at + 1]! << 8);
    at += 2;
    out.repeat(distance, long(token & 15) + LEAST_MATCH);
  }
}

class Output {
  #bytes: Uint8Array;
  #length = 0;

  constructor(guess: number) {
    this.#bytes = new Uint8Array(guess);
  }

  append(from: Uint8Array, start: number, length: number): void {
    this.#room(length);
    this.#bytes.set(from.subarray(start, start + length), this.#length - length);
  }

  /** Once more what lies so far back; what is written meanwhile may be part of it. */
  repeat(distance: number, length: number): void {
    const from = this.#length - distance;
    if (distance === 0 || from < 0) throw new Error('an LZ4 block points before its beginning');
    this.#room(length);
    const to = this.#length - length;
    if (distance >= length) this.#bytes.copyWithin(to, from, from + length);
    else for (let index = 0; index < length; index++) this.#bytes[to + index] = this.#bytes[from + index]!;
  }

  whole(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(more: number): void {
    this.#length += more;
    if (this.#length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
