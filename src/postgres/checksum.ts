/**
 * An additive checksum of a multiset of rows: a 64-bit hash of each row's binary COPY image, summed modulo 2^64. It
 * does not depend on the order of the rows, and sums of parts add up to the sum of the whole. Sums are kept in two
 * 32-bit halves, since BigInt would cost more than the load itself.
 *
 * The hash runs four 32-bit lanes with the primes and rotations of xxHash32
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), each lane over every fourth word: the processor
 * works on all four at a time.
 */
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;

export class Checksum {
  #low = 0;
  #high = 0;

  /** Adds the row image in [start, end). */
  add(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const length = end - start;
    let a = PRIME_1 ^ length;
    let b = PRIME_2 + length;
    let c = PRIME_3 ^ length;
    let d = PRIME_1 - length;
    let at = start;
    for (const last = end - 16; at <= last; at += 16) {
      a = Math.imul(a + Math.imul(view.getInt32(at, true), PRIME_2), PRIME_1);
      b = Math.imul(b + Math.imul(view.getInt32(at + 4, true), PRIME_2), PRIME_1);
      c = Math.imul(c + Math.imul(view.getInt32(at + 8, true), PRIME_2), PRIME_1);
      d = Math.imul(d + Math.imul(view.getInt32(at + 12, true), PRIME_2), PRIME_1);
      a = (a << 13) | (a >>> 19);
      b = (b << 13) | (b >>> 19);
      c = (c << 13) | (c >>> 19);
      d = (d << 13) | (d >>> 19);
    }
    a = Math.imul(a + ((c << 7) | (c >>> 25)), PRIME_3);
    b = Math.imul(b + ((d << 7) | (d >>> 25)), PRIME_3);
    for (; at <= end - 4; at += 4) {
      a = Math.imul(a + Math.imul(view.getInt32(at, true), PRIME_2), PRIME_1);
      a = (a << 13) | (a >>> 19);
      b = Math.imul(b ^ a, PRIME_2);
    }
    for (; at < end; at++) {
      a = Math.imul(a + bytes[at]! * PRIME_3, PRIME_1);
      a = (a << 11) | (a >>> 21);
      b = Math.imul(b ^ a, PRIME_2);
    }
    // The lanes are mixed into each other, so that each half depends on every byte.
    const low = finish(a + ((b << 7) | (b >>> 25)));
    const high = finish(b ^ Math.imul(low, PRIME_3));
    this.#addHalves(low, high);
  }

  /** Adds the sum of another part. @param hex 16 digits, as `toString` gives them */
  addSum(hex: string): void {
    this.#addHalves(Number.parseInt(hex.slice(8), 16), Number.parseInt(hex.slice(0, 8), 16));
  }

  #addHalves(low: number, high: number): void {
    const sum = this.#low + (low >>> 0);
    this.#low = sum >>> 0;
    this.#high = (this.#high + high + (sum > 0xffffffff ? 1 : 0)) >>> 0;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0');
  }
}

/** The finaliser of xxHash32. */
function finish(value: number): number {
  let hash = value | 0;
  hash ^= hash >>> 15;
  hash = Math.imul(hash, PRIME_2);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
