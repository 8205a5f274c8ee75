import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import { viewOf } from '../../arrow/copy.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, fixedSize, LENGTH_BYTES } from './column.ts';

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** uuid, from Arrow's 16 bytes or from text in the canonical form. */
export function uuidEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind === 'uuid') {
    return fixedSize(
      16,
      (data) => viewOf(data.values),
      (bytes, from, to, view, at, first) => {
        for (let row = from; row < to; row++) {
          const position = at[row - first]! + LENGTH_BYTES;
          view.setInt32(position, bytes.getInt32(row * 16));
          view.setInt32(position + 4, bytes.getInt32(row * 16 + 4));
          view.setInt32(position + 8, bytes.getInt32(row * 16 + 8));
          view.setInt32(position + 12, bytes.getInt32(row * 16 + 12));
        }
      },
    );
  }
  if (kind !== 'utf8') return undefined;
  return fixedSize(
    16,
    (data: Data) => data,
    (data, from, to, view, at, first) => {
      for (let row = from; row < to; row++) {
        const position = at[row - first]! + LENGTH_BYTES;
        const hex = textOf(data, row).replaceAll('-', '');
        for (let offset = 0; offset < 16; offset++) {
          view.setUint8(position + offset, Number.parseInt(hex.slice(offset * 2, offset * 2 + 2), 16));
        }
      }
    },
    (data, report) => {
      for (let index = 0; index < data.length; index++) {
        if (!isValid(data, index) || CANONICAL.test(textOf(data, index))) continue;
        report(index, 'not_a_uuid', `"${textOf(data, index).slice(0, 60)}" is not a UUID`);
      }
    },
  );
}
