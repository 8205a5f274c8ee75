import { createHash } from 'node:crypto';

/** First 16 bytes of SHA-256 over the parts, as 32 hexadecimal digits. */
export function digest(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 32);
}

/** A UUID (version 8, RFC 9562) that depends only on the parts. */
export function deterministicUuid(...parts: string[]): string {
  const hex = digest(...parts);
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

const SHORT = 100;

/** A value as a part of a partition's key: an index keeps that, which takes 2,704 bytes, in a text, which has no NUL. */
export function shortName(value: string): string {
  if (value.length <= SHORT && !value.includes('\0')) return value;
  return `${value
    .slice(0, SHORT - 20)
    .toWellFormed()
    .replaceAll('\0', '\ufffd')}…${digest(value).slice(0, 12)}`;
}
