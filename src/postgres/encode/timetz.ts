import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parseZonedTime } from './moment.ts';
import { parsedText, quoted, Unfit } from './parsed.ts';

/**
 * time with time zone in binary (`timetz_send` in `utils/adt/date.c`): microseconds since midnight in 64 bits, and in 32
 * bits the seconds that the zone is west of UTC.
 * @param typmod digits behind the second's point, or -1 for all six
 */
export function timetzEncoder(kind: Kind, typmod: number): ColumnEncoder | undefined {
  return parsedText(
    kind,
    (text) => {
      const { time, offset } = parseZonedTime(text);
      if (typmod >= 0 && time % 10n ** BigInt(6 - typmod) !== 0n) {
        throw new Unfit(`${quoted(text)} is finer than time(${typmod}) with time zone keeps`, 'digits_lost');
      }
      const bytes = new Uint8Array(12);
      const view = new DataView(bytes.buffer);
      view.setBigInt64(0, time);
      view.setInt32(8, -offset);
      return bytes;
    },
    'not_a_time',
  );
}
