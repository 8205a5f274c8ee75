import { type Data, makeColumn } from '../../arrow/batch.ts';
import { bytesOf, isValid, validityOf } from '../../arrow/cells.ts';
import type { Change } from './coerce.ts';

const REPLACEMENT = Buffer.from('\ufffd');
/** An escaped NUL in JSON, behind an even number of backslashes. */
export const ESCAPED_NUL = /(?<!\\)((?:\\\\)*)\\u0000/;

/** Looks at dozens of bytes at a time, which the method that a Uint8Array has of its own does not. */
export function holdsNul(bytes: Uint8Array): boolean {
  return Buffer.prototype.includes.call(bytes, 0);
}

/** Texts without NUL characters: stripped, or replaced by U+FFFD. @param json whether they hide in escapes too */
export function withoutNul(replace: boolean, json: boolean): Change {
  const replacement = replace ? REPLACEMENT : Buffer.alloc(0);
  const clean = (bytes: Uint8Array): Buffer | undefined => {
    const raw = holdsNul(bytes) ? withoutRaw(bytes, replacement) : Buffer.from(bytes);
    const escaped = json && raw.includes('\\u0000');
    if (!escaped) return raw.length === bytes.length && !holdsNul(bytes) ? undefined : raw;
    return Buffer.from(raw.toString('utf8').replaceAll(new RegExp(ESCAPED_NUL, 'g'), `$1${replace ? '\\ufffd' : ''}`));
  };
  return (data, lost) => {
    const bytes: Uint8Array = data.values.subarray(data.valueOffsets[0], data.valueOffsets[data.length]);
    if (!holdsNul(bytes) && !(json && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('\\u0000'))) {
      return data;
    }
    const texts = Array.from({ length: data.length }, (_, row) => {
      const given = isValid(data, row) ? bytesOf(data, row) : new Uint8Array();
      const cleaned = clean(given);
      if (cleaned) lost(row, 'the text holds NUL characters');
      return cleaned ?? given;
    });
    return ofTexts(data, texts);
  };
}

function withoutRaw(bytes: Uint8Array, replacement: Buffer): Buffer {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (let at = bytes.indexOf(0); at !== -1; at = bytes.indexOf(0, from)) {
    pieces.push(bytes.subarray(from, at), replacement);
    from = at + 1;
  }
  return Buffer.concat([...pieces, bytes.subarray(from)]);
}

function ofTexts(data: Data, texts: readonly Uint8Array[]): Data {
  const valueOffsets = new Int32Array(texts.length + 1);
  for (const [row, text] of texts.entries()) valueOffsets[row + 1] = valueOffsets[row]! + text.length;
  return makeColumn(data.type, texts.length, { valueOffsets, data: Buffer.concat(texts), validity: validityOf(data) });
}
