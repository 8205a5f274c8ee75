import { quoted, trimmed, Unfit } from './parsed.ts';

/**
 * Dates and times as text, in ISO 8601 and as Postgres prints it in the style ISO, counted as Postgres counts: days or
 * microseconds from 2000-01-01. Other styles are refused, because what they mean depends on settings.
 */
const DAY_US = 86_400_000_000n;
/** Days from 0000-03-01, where a count by four-century cycles begins, to 2000-01-01. */
const EPOCH_DAYS = 730_425;
/** What Postgres holds (`datatype/timestamp.h`); the second of each pair is the first that it does not. */
const DAYS = [-2_451_545, 2_145_031_949] as const;
const MICROSECONDS = [-211_813_488_000_000_000n, 9_223_371_331_200_000_000n] as const;

/** `datatype/timestamp.h` and `utils/date.h`. */
const INFINITE_DAYS = { infinity: 0x7fffffff, '-infinity': -0x80000000 } as const;
const INFINITE_MICROSECONDS = { infinity: 2n ** 63n - 1n, '-infinity': -(2n ** 63n) } as const;

const DATE = String.raw`(\d{4,7})-(\d{2})-(\d{2})`;
const CLOCK = String.raw`(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d*))?)?`;
const OFFSET = String.raw`(Z|[+-]\d{2}(?:\d{2}|:\d{2}(?::\d{2})?)?)`;
const DATE_ONLY = new RegExp(`^${DATE}( BC)?$`, 'i');
const TIMESTAMP = new RegExp(`^${DATE}(?:[ T]${CLOCK}(?: ?${OFFSET})?)?( BC)?$`, 'i');
const TIME = new RegExp(`^${CLOCK}(?: ?${OFFSET})?$`, 'i');

const HINT = 'write it as YYYY-MM-DD';

/** Undefined for an infinite day, which has none after it. */
export function nextDay(day: number): number | undefined {
  if (day === INFINITE_DAYS.infinity || day === INFINITE_DAYS['-infinity']) return undefined;
  if (day + 1 < DAYS[1]) return day + 1;
  throw new Unfit('the day after the bound is out of range for date', 'out_of_range');
}

/** Days from 2000-01-01. */
export function parseDate(text: string): number {
  const body = trimmed(text).toLowerCase();
  if (body === 'infinity' || body === '-infinity') return INFINITE_DAYS[body];
  const match = DATE_ONLY.exec(body);
  if (!match) throw new Unfit(`${quoted(text)} is not a date; ${HINT}`);
  const day = dayNumber(match[1]!, match[2]!, match[3]!, match[4] !== undefined);
  if (day === undefined) throw new Unfit(`${quoted(text)} is no day of the calendar`);
  if (day < DAYS[0] || day >= DAYS[1]) throw new Unfit(`${quoted(text)} is out of range for date`, 'out_of_range');
  return day;
}

/**
 * Microseconds from 2000-01-01, in UTC where there is an offset.
 * @param zoned an offset is needed; otherwise it is refused, since Postgres would drop it without a word
 */
export function parseTimestamp(text: string, zoned: boolean): bigint {
  const body = trimmed(text).toLowerCase();
  if (body === 'infinity' || body === '-infinity') return INFINITE_MICROSECONDS[body];
  const match = TIMESTAMP.exec(body);
  if (!match) {
    throw new Unfit(`${quoted(text)} is not a date and time; ${HINT} HH:MM:SS${zoned ? '+00' : ''}`);
  }
  const [, year, month, day, hour, minute, second, fraction, offset, before] = match;
  if (zoned && !offset) throw new Unfit(`${quoted(text)} does not say its offset from UTC`, 'no_offset');
  if (!zoned && offset) throw new Unfit(`${quoted(text)} has an offset, which would be lost`, 'unexpected_offset');
  const days = dayNumber(year!, month!, day!, before !== undefined);
  const clock = hour === undefined ? 0n : clockTime(text, hour, minute!, second, fraction);
  if (days === undefined || clock === undefined) {
    throw new Unfit(`${quoted(text)} is no moment of the calendar`);
  }
  const result = BigInt(days) * DAY_US + clock - BigInt(offset ? offsetSeconds(text, offset) : 0) * 1_000_000n;
  if (result < MICROSECONDS[0] || result >= MICROSECONDS[1]) {
    throw new Unfit(`${quoted(text)} is out of range for a timestamp`, 'out_of_range');
  }
  return result;
}

/** Microseconds since midnight, and seconds east of UTC. */
export function parseZonedTime(text: string): { time: bigint; offset: number } {
  const match = TIME.exec(trimmed(text));
  if (!match) throw new Unfit(`${quoted(text)} is not a time of day; write it as HH:MM:SS+00`);
  const [, hour, minute, second, fraction, offset] = match;
  if (!offset) throw new Unfit(`${quoted(text)} does not say its offset from UTC`, 'no_offset');
  const time = clockTime(text, hour!, minute!, second, fraction);
  if (time === undefined) throw new Unfit(`${quoted(text)} is no time of the day`);
  return { time, offset: offsetSeconds(text, offset) };
}

/** Microseconds in the digits behind a second's point; what would be rounded is refused. */
export function microseconds(fraction: string, text: string): bigint {
  if (/[1-9]/.test(fraction.slice(6))) {
    throw new Unfit(`${quoted(text)} has more than 6 digits behind the second's point`, 'digits_lost');
  }
  return BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}

function clockTime(text: string, hour: string, minute: string, second = '0', fraction = ''): bigint | undefined {
  if (Number(minute) > 59 || Number(second) > 59) return undefined;
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  const time = BigInt(seconds) * 1_000_000n + microseconds(fraction, text);
  return time <= DAY_US ? time : undefined;
}

function offsetSeconds(text: string, offset: string): number {
  if (/z/i.test(offset)) return 0;
  const [hours = 0, minutes = 0, seconds = 0] = offset.match(/\d{2}/g)!.map(Number);
  // Postgres knows no offset of sixteen hours or more.
  if (hours > 15 || minutes > 59 || seconds > 59) {
    throw new Unfit(`the offset of ${quoted(text)} is out of range`, 'out_of_range');
  }
  return (offset.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

/** Days from 2000-01-01 in the calendar of Gregory, or undefined for a day that it does not have. */
function dayNumber(yearText: string, monthText: string, dayText: string, before: boolean): number | undefined {
  const [written, month, day] = [Number(yearText), Number(monthText), Number(dayText)];
  // The year before 1 is 1 BC.
  const year = before ? 1 - written : written;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const length = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  if (written === 0 || month < 1 || month > 12 || day < 1 || day > length) return undefined;
  // The year begins in March here, so that the leap day is its last.
  const shifted = month > 2 ? year : year - 1;
  const yearDays = shifted * 365 + Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400);
  const monthDays = Math.floor((153 * ((month + 9) % 12) + 2) / 5);
  return yearDays + monthDays + day - 1 - EPOCH_DAYS;
}
