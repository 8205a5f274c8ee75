import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parsedText, quoted, Unfit } from './parsed.ts';

const LSN = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i;

/** pg_lsn in binary: 64 bits (`pg_lsn_send` in `utils/adt/pg_lsn.c`). */
export function lsnEncoder(kind: Kind): ColumnEncoder | undefined {
  return parsedText(
    kind,
    (text) => {
      const halves = LSN.exec(text);
      if (!halves) throw new Unfit(`${quoted(text)} is not a position in a write-ahead log, such as 16/B374D848`);
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, Number.parseInt(halves[1]!, 16));
      view.setUint32(4, Number.parseInt(halves[2]!, 16));
      return bytes;
    },
    'not_an_lsn',
  );
}
