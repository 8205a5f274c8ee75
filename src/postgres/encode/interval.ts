import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { microseconds } from './moment.ts';
import { parsedText, quoted, trimmed, Unfit } from './parsed.ts';

/** The parts that Postgres keeps apart, because a month has no fixed days and a day no fixed hours. */
interface Interval {
  months: bigint;
  days: bigint;
  /** Microseconds. */
  time: bigint;
}

type Part = keyof Interval;

const SECOND = 1_000_000n;
const MINUTE = 60n * SECOND;
const HOUR = 60n * MINUTE;

/** What one of a unit adds to which part. */
type Unit = readonly [part: Part, size: bigint];

const YEAR_UNIT: Unit = ['months', 12n];
const MONTH_UNIT: Unit = ['months', 1n];
const WEEK_UNIT: Unit = ['days', 7n];
const DAY_UNIT: Unit = ['days', 1n];
const HOUR_UNIT: Unit = ['time', HOUR];
const MINUTE_UNIT: Unit = ['time', MINUTE];
const SECOND_UNIT: Unit = ['time', SECOND];

const UNITS = new Map([
  ['year', YEAR_UNIT],
  ['mon', MONTH_UNIT],
  ['month', MONTH_UNIT],
  ['week', WEEK_UNIT],
  ['day', DAY_UNIT],
  ['hour', HOUR_UNIT],
  ['min', MINUTE_UNIT],
  ['minute', MINUTE_UNIT],
  ['sec', SECOND_UNIT],
  ['second', SECOND_UNIT],
]);
const ISO_DATE: Record<string, Unit> = { Y: YEAR_UNIT, M: MONTH_UNIT, W: WEEK_UNIT, D: DAY_UNIT };
const ISO_TIME: Record<string, Unit> = { H: HOUR_UNIT, M: MINUTE_UNIT, S: SECOND_UNIT };

const CLOCK_UNITS = [HOUR_UNIT, MINUTE_UNIT, SECOND_UNIT];

const COUNT = String.raw`([+-]?)(\d+)(?:\.(\d+))?`;
const ISO = /^P((?:-?\d+[YMWD])*)(?:T((?:-?\d+(?:\.\d+)?[HMS])+))?$/;
const ISO_PART = new RegExp(`${COUNT}([YMWDHMS])`, 'g');
const UNIT_PART = new RegExp(`^${COUNT} *([a-z]+)(?: +|$)`);
const CLOCK_PART = /^([+-]?)(\d+):([0-5]\d)(?::([0-5]\d)(?:\.(\d*))?)?(?: +|$)/;

/** Fields that an interval may be restricted to, by the bit in its modifier (`utils/timestamp.h`), finest first. */
const FINEST_FIELD: [mask: number, keeps: (interval: Interval) => boolean][] = [
  [1 << 12, () => true],
  [1 << 11, ({ time }) => time % MINUTE === 0n],
  [1 << 10, ({ time }) => time % HOUR === 0n],
  [1 << 3, ({ time }) => time === 0n],
  [1 << 1, ({ time, days }) => time === 0n && days === 0n],
  [1 << 2, ({ time, days, months }) => time === 0n && days === 0n && months % 12n === 0n],
];
const ALL_FIELDS = 0x7fff;
const ALL_DIGITS = 0xffff;

/**
 * interval in binary (`interval_send` in `utils/adt/timestamp.c`): microseconds in 64 bits, days and months in 32 each.
 * From text as Postgres prints it in the styles postgres and postgres_verbose, and from ISO 8601 with units.
 * @param typmod fields in the upper half, digits behind the second's point in the lower, or -1 for all; what they would
 *   cut off is a reject
 * @param infinities whether the server has infinite intervals, which came with version 17
 */
export function intervalTextEncoder(kind: Kind, typmod: number, infinities: boolean): ColumnEncoder | undefined {
  return parsedText(
    kind,
    (text) => {
      const body = trimmed(text);
      if (/^[+-]?infinity$/i.test(body)) return infinite(body.startsWith('-'), infinities, text);
      const interval = text.startsWith('P') ? parseIso(text) : parseUnits(body.toLowerCase(), text);
      if (!keepsAll(interval, typmod)) {
        throw new Unfit(`${quoted(text)} is finer than the column keeps`, 'digits_lost');
      }
      return image(interval, text);
    },
    'not_an_interval',
  );
}

function parseIso(text: string): Interval {
  const match = ISO.exec(text);
  if (!match || text === 'P') throw unfit(text);
  const interval: Interval = { months: 0n, days: 0n, time: 0n };
  const [, date = '', time = ''] = match;
  for (const [parts, units] of [[date, ISO_DATE] as const, [time, ISO_TIME] as const]) {
    for (const [, sign, whole, fraction, letter] of parts.matchAll(ISO_PART)) {
      add(interval, units[letter!]!, { negative: sign === '-', whole: whole!, fraction }, text);
    }
  }
  return interval;
}

function parseUnits(body: string, text: string): Interval {
  const interval: Interval = { months: 0n, days: 0n, time: 0n };
  const ago = /^(.*\S) +ago$/.exec(body);
  const seen = new Set<Unit>();
  let rest = (ago?.[1] ?? body).replace(/^@ */, '');
  if (rest === '') throw unfit(text);
  for (let match: RegExpExecArray | null; rest !== ''; rest = rest.slice(match[0].length)) {
    match = UNIT_PART.exec(rest);
    if (match) {
      const name = match[4]!.replace(/s$/, '');
      const unit = UNITS.get(name);
      if (!unit || seen.has(unit)) throw unfit(text);
      seen.add(unit);
      add(interval, unit, { negative: match[1] === '-', whole: match[2]!, fraction: match[3] }, text);
      continue;
    }
    match = CLOCK_PART.exec(rest);
    if (!match || CLOCK_UNITS.some((unit) => seen.has(unit))) throw unfit(text);
    for (const unit of CLOCK_UNITS) seen.add(unit);
    const [, sign, hours, minutes, seconds = '0', fraction = ''] = match;
    const size =
      BigInt(hours!) * HOUR + BigInt(minutes!) * MINUTE + BigInt(seconds) * SECOND + microseconds(fraction, text);
    interval.time += sign === '-' ? -size : size;
  }
  if (!ago) return interval;
  return { months: -interval.months, days: -interval.days, time: -interval.time };
}

interface Count {
  negative: boolean;
  whole: string;
  fraction: string | undefined;
}

function add(interval: Interval, [part, factor]: Unit, count: Count, text: string): void {
  if (count.fraction !== undefined && !(part === 'time' && factor === SECOND)) {
    throw new Unfit(`${quoted(text)} has a fraction of a unit other than seconds`);
  }
  const size = BigInt(count.whole) * factor + microseconds(count.fraction ?? '', text);
  interval[part] += count.negative ? -size : size;
}

function keepsAll(interval: Interval, typmod: number): boolean {
  if (typmod < 0) return true;
  const fields = (typmod >> 16) & ALL_FIELDS;
  const digits = typmod & ALL_DIGITS;
  if (digits < 6 && interval.time % 10n ** BigInt(6 - digits) !== 0n) return false;
  if (fields === ALL_FIELDS) return true;
  return FINEST_FIELD.find(([mask]) => fields & mask)?.[1](interval) ?? true;
}

function image({ months, days, time }: Interval, text: string): Uint8Array {
  const fits =
    BigInt.asIntN(64, time) === time && BigInt.asIntN(32, days) === days && BigInt.asIntN(32, months) === months;
  if (!fits) throw new Unfit(`${quoted(text)} is out of range for interval`, 'out_of_range');
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, time);
  view.setInt32(8, Number(days));
  view.setInt32(12, Number(months));
  return bytes;
}

function infinite(negative: boolean, allowed: boolean, text: string): Uint8Array {
  if (!allowed)
    throw new Unfit('infinite intervals, which came with Postgres 17, are not loaded from text', 'out_of_range');
  const most = { months: 2n ** 31n - 1n, days: 2n ** 31n - 1n, time: 2n ** 63n - 1n };
  const least = { months: -(2n ** 31n), days: -(2n ** 31n), time: -(2n ** 63n) };
  return image(negative ? least : most, text);
}

function unfit(text: string): Unfit {
  return new Unfit(`${quoted(text)} is not an interval, such as 1 day 02:03:04 or P1DT2H3M4S`);
}
