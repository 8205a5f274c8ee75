import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { type Pairs, parseHstoreText } from './hstore-text.ts';
import { parsed, quoted, Unfit } from './parsed.ts';

/**
 * hstore in binary (`hstore_send` in `contrib/hstore/hstore_io.c`): the count of pairs, then each key and each value with
 * its length before it, which is -1 for null. From hstore's text, and from JSON objects of plain values.
 */
export function hstoreEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind === 'utf8') return parsed((text) => image(parseHstoreText(text)), 'not_an_hstore');
  if (kind === 'json') return parsed((text) => image(parseJson(text)), 'not_an_hstore');
  return undefined;
}

const NULL_LENGTH = -1;

function image(pairs: Pairs): Uint8Array {
  const unique = new Map<string, Uint8Array | null>();
  const keys: Buffer[] = [];
  for (const [key, value] of pairs) {
    // Of the values of one key Postgres keeps any; of few pairs it is the first.
    if (unique.has(key)) continue;
    unique.set(key, value === null ? null : Buffer.from(value));
    keys.push(Buffer.from(key));
  }
  keys.sort((a, b) => a.length - b.length || a.compare(b));
  const parts: Uint8Array[] = [length(keys.length)];
  for (const key of keys) {
    const value = unique.get(key.toString())!;
    parts.push(length(key.length), key, length(value ? value.length : NULL_LENGTH));
    if (value) parts.push(value);
  }
  return Buffer.concat(parts);
}

function length(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** JSON's parser tells the text of each number, which may have more digits than JavaScript keeps. */
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

function parseJson(text: string): Pairs {
  const keepDigits: Reviver = (_, value, { source }) => (typeof value === 'number' ? new Digits(source!) : value);
  let object: unknown;
  try {
    object = JSON.parse(text, keepDigits as never);
  } catch (error) {
    throw new Unfit(`not valid JSON: ${(error as Error).message}`, 'invalid_json');
  }
  if (!object || typeof object !== 'object' || Array.isArray(object) || object instanceof Digits) {
    throw new Unfit(`${quoted(text)} is not a JSON object`);
  }
  return Object.entries(object).map(([key, value]) => [legal(key), plain(key, value)]);
}

class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function plain(key: string, value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === 'string') return legal(value);
  if (typeof value === 'boolean') return String(value);
  if (value instanceof Digits) return value.text;
  const message = `the value of ${quoted(key)} is an ${Array.isArray(value) ? 'array' : 'object'}, and hstore keeps texts`;
  throw new Unfit(message, 'nested_value');
}

function legal(text: string): string {
  if (text.includes('\0')) throw new Unfit('the JSON holds \\u0000, which hstore cannot store', 'nul_in_text');
  if (!text.isWellFormed()) throw new Unfit('the JSON holds half of a surrogate pair', 'invalid_utf8');
  return text;
}
