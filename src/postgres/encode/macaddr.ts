import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parsedText, quoted, trimmed, Unfit } from './parsed.ts';

/** The ways to group twelve digits that Postgres reads. */
const SIX_BYTES = [
  /^([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2}):([0-9a-f]{1,2})$/i,
  /^([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})-([0-9a-f]{1,2})$/i,
  /^(..)(..)(..)[:-](..)(..)(..)$/,
  /^(..)(..)\.(..)(..)\.(..)(..)$/,
  /^(..)(..)-(..)(..)-(..)(..)$/,
  /^(..)(..)(..)(..)(..)(..)$/,
];

/** Pairs of digits, and between them always the same separator. */
const PAIRS = /^[0-9a-f]{2}(?:([:.-])?[0-9a-f]{2})*$/i;

/**
 * macaddr and macaddr8 in binary: the 6 or 8 bytes (`macaddr_send` in `utils/adt/mac.c`, `macaddr8_send` in
 * `utils/adt/mac8.c`). An address of 6 bytes in a column of 8 is extended as Postgres does, with FF FE in its middle.
 */
export function macaddrEncoder(kind: Kind, bytes: 6 | 8): ColumnEncoder | undefined {
  const parse = bytes === 6 ? parseSix : parseEight;
  return parsedText(
    kind,
    (text) => {
      const image = parse(trimmed(text));
      if (!image) throw new Unfit(`${quoted(text)} is not a MAC address of ${bytes === 6 ? '6' : '6 or 8'} bytes`);
      return Uint8Array.from(image);
    },
    'not_a_mac_address',
  );
}

function parseSix(text: string): number[] | undefined {
  for (const form of SIX_BYTES) {
    const parts = form.exec(text)?.slice(1);
    if (parts?.every((part) => /^[0-9a-f]+$/i.test(part))) return parts.map((part) => Number.parseInt(part, 16));
  }
  return undefined;
}

function parseEight(text: string): number[] | undefined {
  if (!PAIRS.test(text) || new Set(text.replace(/[0-9a-f]/gi, '')).size > 1) return undefined;
  const bytes = text.match(/[0-9a-f]{2}/gi)!.map((pair) => Number.parseInt(pair, 16));
  if (bytes.length === 6) return [...bytes.slice(0, 3), 0xff, 0xfe, ...bytes.slice(3)];
  return bytes.length === 8 ? bytes : undefined;
}
