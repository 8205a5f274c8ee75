import { isValid, wordsOf } from '../../arrow/cells.ts';
import { viewOf } from '../../arrow/copy.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Fill, fillHalves, fixedSize, LENGTH_BYTES, numbers, words } from './column.ts';

/** Days from 1970-01-01 to 2000-01-01, where Postgres starts to count. */
const EPOCH_DAYS = 10_957;
/** The same in microseconds, as two 32-bit words. */
const EPOCH_US = 946_684_800_000_000n;
const EPOCH_HIGH = Number(EPOCH_US >> 32n);
const EPOCH_LOW = Number(BigInt.asIntN(32, EPOCH_US));

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
    (days, from, to, view, at, first) => {
      for (let row = from; row < to; row++) {
        const position = at[row - first]! + LENGTH_BYTES;
        const day = days[row]!;
        if (day === DAY_INFINITY) view.setInt32(position, 0x7fffffff);
        else if (day === -DAY_INFINITY) view.setInt32(position, -0x80000000);
        else view.setInt32(position, day - EPOCH_DAYS);
      }
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
  return fixedSize(8, words, fillHalves);
}

/** timestamp and timestamptz: only the like-named kind, because an implicit time zone would move the moment. */
export function timestampEncoder(kind: Kind, wanted: 'timestamp' | 'timestamptz'): ColumnEncoder | undefined {
  if (kind !== wanted) return undefined;
  return fixedSize(8, words, fillTimestamps, (data, report) => {
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
    (bytes, from, to, view, at, first) => {
      for (let row = from; row < to; row++) {
        const position = at[row - first]! + LENGTH_BYTES;
        view.setBigInt64(position, bytes.getBigInt64(row * 16 + 8, true));
        view.setInt32(position + 8, bytes.getInt32(row * 16 + 4, true));
        view.setInt32(position + 12, bytes.getInt32(row * 16, true));
      }
    },
  );
}

const fillTimestamps: Fill<Int32Array> = (halves, from, to, view, at, first) => {
  for (let row = from; row < to; row++) {
    const position = at[row - first]! + LENGTH_BYTES;
    const low = halves[row * 2]!;
    const high = halves[row * 2 + 1]!;
    if (high === 0x7fffffff && low === -1) {
      view.setInt32(position, 0x7fffffff);
      view.setInt32(position + 4, -1);
    } else if (high === -0x80000000 && low === 1) {
      view.setInt32(position, -0x80000000);
      view.setInt32(position + 4, 0);
    } else {
      const difference = (low - EPOCH_LOW) | 0;
      const borrow = ((~low & EPOCH_LOW) | ((~low | EPOCH_LOW) & difference)) >>> 31;
      view.setInt32(position, high - EPOCH_HIGH - borrow);
      view.setInt32(position + 4, difference);
    }
  }
};
