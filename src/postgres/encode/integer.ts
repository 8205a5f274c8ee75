import { isValid } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Fill, fillHalves, fixedSize, LENGTH_BYTES, numbers, words } from './column.ts';

type Width = 2 | 4 | 8;

const signed = (bits: bigint) => ({ least: -(2n ** (bits - 1n)), most: 2n ** (bits - 1n) - 1n });
const unsigned = (bits: bigint) => ({ least: 0n, most: 2n ** bits - 1n });

const RANGE = {
  2: { name: 'smallint', ...signed(16n) },
  4: { name: 'integer', ...signed(32n) },
  8: { name: 'bigint', ...signed(64n) },
};

/** What each Arrow integer can hold. */
const HOLDS: Partial<Record<Kind, { least: bigint; most: bigint }>> = {
  int8: signed(8n),
  int16: signed(16n),
  int32: signed(32n),
  int64: signed(64n),
  uint8: unsigned(8n),
  uint16: unsigned(16n),
  uint32: unsigned(32n),
  uint64: unsigned(64n),
};

/** Any Arrow integer into smallint (2 bytes), integer (4) or bigint (8); a value out of range is a reject. */
export function integerEncoder(kind: Kind, bytes: Width): ColumnEncoder | undefined {
  const holds = HOLDS[kind];
  if (!holds) return undefined;
  const range = RANGE[bytes];
  const check = holds.least >= range.least && holds.most <= range.most ? undefined : rangeCheck(range);
  return kind === 'int64' || kind === 'uint64'
    ? fixedSize(bytes, words, FILL_WIDE[bytes], check)
    : fixedSize(bytes, numbers, FILL_NARROW[bytes], check);
}

const FILL_NARROW: Record<Width, Fill<ArrayLike<number>>> = {
  2: (values, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setInt16(at[row - first]! + LENGTH_BYTES, values[row]!);
  },
  4: (values, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setInt32(at[row - first]! + LENGTH_BYTES, values[row]!);
  },
  8: (values, from, to, view, at, first) => {
    for (let row = from; row < to; row++) {
      const position = at[row - first]! + LENGTH_BYTES;
      const value = values[row]!;
      view.setInt32(position, value < 0 ? -1 : 0);
      view.setInt32(position + 4, value);
    }
  },
};

const FILL_WIDE: Record<Width, Fill<Int32Array>> = {
  2: (halves, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setInt16(at[row - first]! + LENGTH_BYTES, halves[row * 2]!);
  },
  4: (halves, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setInt32(at[row - first]! + LENGTH_BYTES, halves[row * 2]!);
  },
  8: fillHalves,
};

function rangeCheck({ name, least, most }: (typeof RANGE)[Width]): ColumnEncoder['check'] {
  const [low, high] = [Number(least), Number(most)];
  return (data, report) => {
    for (let index = 0; index < data.length; index++) {
      const value: number | bigint = data.values[index];
      const outside = typeof value === 'bigint' ? value < least || value > most : value < low || value > high;
      if (outside && isValid(data, index)) report(index, 'out_of_range', `${value} is out of range for ${name}`);
    }
  };
}
