import { isTrue } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, fixedSize, LENGTH_BYTES } from './column.ts';

/** boolean; Arrow keeps eight to the byte. */
export function boolEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind !== 'bool') return undefined;
  return fixedSize(
    1,
    (data) => data,
    (data, from, to, view, at, first) => {
      for (let row = from; row < to; row++) view.setUint8(at[row - first]! + LENGTH_BYTES, isTrue(data, row) ? 1 : 0);
    },
  );
}
