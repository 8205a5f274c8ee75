import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Fill, fixedSize, LENGTH_BYTES, numbers } from './column.ts';

/** Kinds whose every value a float of 4 or 8 bytes holds exactly. */
const EXACT: Record<4 | 8, readonly Kind[]> = {
  4: ['float32', 'int8', 'int16', 'uint8', 'uint16'],
  8: ['float64', 'float32', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'],
};

/** real (4 bytes) and double precision (8), from the kinds that lose nothing; NaN, infinities and −0 are kept. */
export function floatEncoder(kind: Kind, bytes: 4 | 8): ColumnEncoder | undefined {
  if (!EXACT[bytes].includes(kind)) return undefined;
  return fixedSize(bytes, numbers, FILL[bytes]);
}

const FILL: Record<4 | 8, Fill<ArrayLike<number>>> = {
  4: (values, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setFloat32(at[row - first]! + LENGTH_BYTES, values[row]!);
  },
  8: (values, from, to, view, at, first) => {
    for (let row = from; row < to; row++) view.setFloat64(at[row - first]! + LENGTH_BYTES, values[row]!);
  },
};
