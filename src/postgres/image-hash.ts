/**
 * A 64-bit hash of a row's image that tells a row from its changed self, which the additive checksum need not: there
 * each half sees only every other word until the end. Each of the two halves runs over all words, in a lane for the
 * even ones and a lane for the odd ones, with primes of its own (those of xxHash32,
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
 * @param into gets the two halves
 */
export function hashImage(bytes: Uint8Array, view: DataView, start: number, end: number, into: Int32Array): void {
  let a = PRIME_1 ^ (end - start);
  let b = PRIME_5 + (end - start);
  let c = PRIME_2;
  let d = PRIME_3;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    const even = view.getInt32(at, true);
    const odd = view.getInt32(at + 4, true);
    a = Math.imul(a + Math.imul(even, PRIME_2), PRIME_1);
    b = Math.imul(b ^ Math.imul(even, PRIME_3), PRIME_4);
    c = Math.imul(c + Math.imul(odd, PRIME_2), PRIME_1);
    d = Math.imul(d ^ Math.imul(odd, PRIME_3), PRIME_4);
    a = (a << 13) | (a >>> 19);
    b = (b << 17) | (b >>> 15);
    c = (c << 13) | (c >>> 19);
    d = (d << 17) | (d >>> 15);
  }
  for (; at < end; at++) {
    a = Math.imul(a + Math.imul(bytes[at]!, PRIME_5), PRIME_1);
    b = Math.imul(b ^ Math.imul(bytes[at]!, PRIME_2), PRIME_4);
    a = (a << 11) | (a >>> 21);
    b = (b << 15) | (b >>> 17);
  }
  into[0] = a + Math.imul(c, PRIME_5);
  into[1] = b + Math.imul(d, PRIME_2);
}

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;
