import { isTrue } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, fixedSize } from './column.ts';

/** boolean; Arrow keeps eight to the byte. */
export function boolEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind !== 'bool') return undefined;
  return fixedSize(
    1,
    (data) => data,
    (data, index, view, position) => view.setUint8(position, isTrue(data, index) ? 1 : 0),
  );
}
