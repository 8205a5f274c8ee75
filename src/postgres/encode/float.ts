import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, fixedSize, numbers } from './column.ts';

/** Kinds whose every value a float of 4 or 8 bytes holds exactly. */
const EXACT: Record<4 | 8, readonly Kind[]> = {
  4: ['float32', 'int8', 'int16', 'uint8', 'uint16'],
  8: ['float64', 'float32', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'],
};

/** real (4 bytes) and double precision (8), from the kinds that lose nothing; NaN, infinities and −0 are kept. */
export function floatEncoder(kind: Kind, bytes: 4 | 8): ColumnEncoder | undefined {
  if (!EXACT[bytes].includes(kind)) return undefined;
  return bytes === 4
    ? fixedSize(4, numbers, (values, index, view, position) => view.setFloat32(position, values[index]!))
    : fixedSize(8, numbers, (values, index, view, position) => view.setFloat64(position, values[index]!));
}
