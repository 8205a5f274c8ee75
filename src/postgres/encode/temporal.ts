import { isValid, wordsOf } from '../../arrow/cells.ts';
import { viewOf } from '../../arrow/copy.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, fixedSize, numbers, words } from './column.ts';

/** Days from 1970-01-01 to 2000-01-01, where Postgres starts to count. */
const EPOCH_DAYS = 10_957;
/** The same in microseconds, as two 32-bit words. */
const EPOCH_US = 946_684_800_000_000n;
const EPOCH_HIGH = Number(EPOCH_US >> 32n);
const EPOCH_LOW = Number(EPOCH_US & 0xffffffffn);

/** What Postgres can hold (`datatype/timestamp.h`): Julian day 0 up to the end of 5874897 or of 294276. */
const LEAST_DAY = -2_451_545 + EPOCH_DAYS;
const MOST_DAY = 2_145_031_949 + EPOCH_DAYS - 1;
const LEAST_US = -211_813_488_000_000_000n + EPOCH_US;

/** DuckDB's infinities, which have no place in Arrow and travel as these numbers. */
const DAY_INFINITY = 0x7fffffff;
const US_INFINITY = 0x7fffffffffffffffn;

/** date; `infinity` and `-infinity` are kept. */
export function dateEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind !== 'date') return undefined;
  return fixedSize(
    4,
    numbers,
    (days, index, view, position) => {
      const day = days[index]!;
      if (day === DAY_INFINITY) view.setInt32(position, 0x7fffffff);
      else if (day === -DAY_INFINITY) view.setInt32(position, -0x80000000);
      else view.setInt32(position, day - EPOCH_DAYS);
    },
    (data, report) => {
      for (let index = 0; index < data.length; index++) {
        const day: number = data.values[index];
        if ((day >= LEAST_DAY && day <= MOST_DAY) || Math.abs(day) === DAY_INFINITY || !isValid(data, index)) continue;
        report(index, 'out_of_range', `a date ${day} days from 1970-01-01 is out of range for date`);
      }
    },
  );
}

/** time, in microseconds since midnight on both sides. */
export function timeEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind !== 'time') return undefined;
  return fixedSize(8, words, (halves, index, view, position) => {
    view.setInt32(position, halves[index * 2 + 1]!);
    view.setInt32(position + 4, halves[index * 2]!);
  });
}

/** timestamp and timestamptz: only the like-named kind, because an implicit time zone would move the moment. */
export function timestampEncoder(kind: Kind, wanted: 'timestamp' | 'timestamptz'): ColumnEncoder | undefined {
  if (kind !== wanted) return undefined;
  return fixedSize(8, words, putTimestamp, (data, report) => {
    const halves = wordsOf(data.values);
    const leastHigh = Number(LEAST_US >> 32n);
    for (let index = 0; index < data.length; index++) {
      // Only the lower end can be missed: DuckDB stops before Postgres does at the upper one.
      if (halves[index * 2 + 1]! > leastHigh || !isValid(data, index)) continue;
      const value: bigint = data.values[index];
      if (value >= LEAST_US || value === -US_INFINITY) continue;
      report(index, 'out_of_range', `a time ${value} µs from 1970-01-01 is out of range for ${wanted}`);
    }
  });
}

/** interval: months, days and microseconds, which Postgres sends the other way round (`interval_send`). */
export function intervalEncoder(kind: Kind): ColumnEncoder | undefined {
  if (kind !== 'interval') return undefined;
  return fixedSize(
    16,
    (data) => viewOf(data.values),
    (bytes, index, view, position) => {
      const from = index * 16;
      view.setBigInt64(position, bytes.getBigInt64(from + 8, true));
      view.setInt32(position + 8, bytes.getInt32(from + 4, true));
      view.setInt32(position + 12, bytes.getInt32(from, true));
    },
  );
}

function putTimestamp(halves: Int32Array, index: number, view: DataView, position: number): void {
  const low = halves[index * 2]! >>> 0;
  const high = halves[index * 2 + 1]!;
  if (high === 0x7fffffff && low === 0xffffffff) {
    view.setInt32(position, 0x7fffffff);
    view.setUint32(position + 4, 0xffffffff);
  } else if (high === -0x80000000 && low === 1) {
    view.setInt32(position, -0x80000000);
    view.setUint32(position + 4, 0);
  } else {
    const difference = low - EPOCH_LOW;
    view.setInt32(position, high - EPOCH_HIGH - (difference < 0 ? 1 : 0));
    view.setUint32(position + 4, difference >>> 0);
  }
}
