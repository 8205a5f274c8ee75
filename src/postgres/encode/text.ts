import { isUtf8 } from 'node:buffer';
import type { Data } from '../../arrow/batch.ts';
import { bytesOf, hasNulls, isValid, maskAt, textOf } from '../../arrow/cells.ts';
import { copyShort, viewOf } from '../../arrow/copy.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Report, writeNull } from './column.ts';
import { holdsNul } from './nul.ts';

/**
 * text, varchar(n) and char(n), from strings and from blobs. Rejected: NUL, which Postgres text cannot hold; invalid
 * UTF-8; and more than `limit` characters.
 * @param limit characters, from the type modifier; undefined for none
 * @param padded char(n): Postgres pads to the limit, so the padding is written here and the row image is what it keeps
 */
export function textEncoder(kind: Kind, limit: number | undefined, padded: boolean): ColumnEncoder | undefined {
  if (kind !== 'utf8' && kind !== 'json' && kind !== 'binary') return undefined;
  const check = (data: Data, report: Report) => checkText(data, limit, report);
  if (padded && limit !== undefined) return paddedText(limit, check);
  return { check, ...blocks };
}

/** `NAMEDATALEN` less the zero at the end. */
const NAME_BYTES = 63;

/** name: text of at most 63 bytes, which Postgres would cut. */
export function nameEncoder(kind: Kind): ColumnEncoder | undefined {
  const text = textEncoder(kind, undefined, false);
  if (!text) return undefined;
  return {
    ...text,
    check(data, report) {
      text.check!(data, report);
      for (let row = 0; row < data.length; row++) {
        const length = isValid(data, row) ? bytesOf(data, row).length : 0;
        if (length > NAME_BYTES) report(row, 'too_long', `${length} bytes do not fit into a name of ${NAME_BYTES}`);
      }
    },
  };
}

/** enum: one of its labels. */
export function enumEncoder(kind: Kind, labels: readonly string[]): ColumnEncoder | undefined {
  if (kind !== 'utf8') return undefined;
  const known = new Set(labels);
  return {
    ...blocks,
    check(data, report) {
      for (let row = 0; row < data.length; row++) {
        if (!isValid(data, row) || known.has(textOf(data, row))) continue;
        report(row, 'not_in_enum', `${JSON.stringify(textOf(data, row))} is none of its labels`);
      }
    },
  };
}

/** bytea, from blobs. */
export function byteaEncoder(kind: Kind): ColumnEncoder | undefined {
  return kind === 'binary' ? blocks : undefined;
}

/** Copies each value's bytes as they are. */
const blocks = prefixed(undefined);

/** The bytes of each value behind a fixed first byte, or behind none. */
export function prefixed(first: number | undefined): ColumnEncoder & { size: Exclude<ColumnEncoder['size'], number> } {
  const extra = first === undefined ? 0 : 1;
  return {
    size(data, from, to, sizes) {
      const offsets: Int32Array = data.valueOffsets;
      const nullable = hasNulls(data);
      if (!nullable) {
        for (let row = from; row < to; row++) sizes[row - from]! += offsets[row + 1]! - offsets[row]! + extra;
        return;
      }
      const { nullBitmap, offset } = data;
      for (let row = from; row < to; row++) {
        sizes[row - from]! += (offsets[row + 1]! - offsets[row]! + extra) & maskAt(nullBitmap, offset + row);
      }
    },
    write(data, from, to, target) {
      const { out, view, at } = target;
      const offsets: Int32Array = data.valueOffsets;
      const bytes: Uint8Array = data.values;
      const bytesView = viewOf(bytes);
      const nullable = hasNulls(data);
      for (let index = from; index < to; index++) {
        const slot = index - from;
        if (nullable && !isValid(data, index)) {
          writeNull(target, slot);
          continue;
        }
        const start = offsets[index]!;
        const length = offsets[index + 1]! - start;
        let position = at[slot]!;
        view.setInt32(position, length + extra);
        position += 4;
        if (first !== undefined) out[position++] = first;
        copyShort(bytes, bytesView, start, out, view, position, length);
        at[slot] = position + length;
      }
    },
  };
}

const SPACE = 0x20;

function paddedText(limit: number, check: NonNullable<ColumnEncoder['check']>): ColumnEncoder {
  const padding = (data: Data, index: number) => Math.max(0, limit - characters(bytesOf(data, index)));
  return {
    check,
    size(data, from, to, sizes) {
      blocks.size(data, from, to, sizes);
      for (let index = from; index < to; index++) {
        if (isValid(data, index)) sizes[index - from]! += padding(data, index);
      }
    },
    write(data, from, to, target) {
      const { out, view, at } = target;
      for (let index = from; index < to; index++) {
        const slot = index - from;
        if (!isValid(data, index)) {
          writeNull(target, slot);
          continue;
        }
        const bytes = bytesOf(data, index);
        const length = bytes.length + padding(data, index);
        const position = at[slot]!;
        view.setInt32(position, length);
        out.set(bytes, position + 4);
        out.fill(SPACE, position + 4 + bytes.length, position + 4 + length);
        at[slot] = position + 4 + length;
      }
    },
  };
}

function checkText(data: Data, limit: number | undefined, report: Report): void {
  const offsets: Int32Array = data.valueOffsets;
  const start = offsets[0]!;
  const all: Uint8Array = data.values.subarray(start, offsets[data.length]);
  // One look at the whole column settles nearly every batch; only a bad one is searched row by row.
  const suspicious = holdsNul(all) || !isUtf8(all);
  if (!suspicious && limit === undefined) return;
  for (let index = 0; index < data.length; index++) {
    const length = offsets[index + 1]! - offsets[index]!;
    if (length === 0 || !isValid(data, index)) continue;
    if (suspicious) {
      const bytes = bytesOf(data, index);
      if (holdsNul(bytes)) {
        report(index, 'nul_in_text', 'the text holds a NUL character, which Postgres cannot store');
        continue;
      }
      if (!isUtf8(bytes)) {
        report(index, 'invalid_utf8', 'the bytes are not valid UTF-8');
        continue;
      }
    }
    if (limit !== undefined && length > limit) {
      const count = characters(bytesOf(data, index));
      if (count > limit) report(index, 'too_long', `${count} characters do not fit into ${limit}`);
    }
  }
}

/** Code points in valid UTF-8: every byte but the continuation bytes 10xxxxxx. */
function characters(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if ((byte & 0xc0) !== 0x80) count++;
  return count;
}
