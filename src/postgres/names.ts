import { createHash } from 'node:crypto';

/** `NAMEDATALEN` less the zero at the end: Postgres cuts longer names, and then two of them may become one. */
const NAME_BYTES = 63;
const HASH_DIGITS = 8;

/** The name that an identifier has in Postgres: as it is, or cut and told apart by a hash of the whole. */
export function postgresName(name: string): string {
  return within(name, NAME_BYTES);
}

/** The name with something behind it, both within the limit. */
export function withSuffix(name: string, suffix: string): string {
  return `${within(name, NAME_BYTES - Buffer.byteLength(suffix))}${suffix}`;
}

function within(name: string, limit: number): string {
  // Most are short: a character takes three bytes at most, a pair of surrogates four.
  if (name.length * 3 <= limit) return name;
  const bytes = Buffer.from(name);
  if (bytes.length <= limit) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${cut(bytes, limit - HASH_DIGITS - 1)}_${hash}`;
}

/** At most so many bytes, and no half of a character. */
function cut(bytes: Buffer, limit: number): string {
  let end = Math.min(limit, bytes.length);
  while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString('utf8');
}
