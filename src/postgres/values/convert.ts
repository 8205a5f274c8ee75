import { ExactNumber, NotJson, toJson } from '../../base/json.ts';
import { microseconds, parseDate, parseTimestamp } from '../encode/moment.ts';
import { quoted, Unfit } from '../encode/parsed.ts';
import type { Cell } from './build.ts';

/**
 * Values of JavaScript in the form that a column's builder takes. Each of these throws `Unfit` for a value that the
 * column cannot hold as it is; none of them rounds, cuts or guesses. Text is read as Postgres would read it.
 */
export type Convert = (value: unknown) => Cell;

const WRONG_TYPE = 'wrong_type';
const OUT_OF_RANGE = 'out_of_range';

/** Arrow counts from 1970-01-01, `moment.ts` from 2000-01-01. */
const EPOCH_DAYS = 10_957;
const EPOCH_US = 946_684_800_000_000n;
const DAY_MS = 86_400_000;
/** How infinities travel: see `temporal.ts`. */
const DAY_INFINITY = 0x7fffffff;
const US_INFINITY = 2n ** 63n - 1n;

function wrong(value: unknown, wanted: string): Unfit {
  return new Unfit(`${told(value)} is not ${wanted}`, WRONG_TYPE);
}

/** A value as it stands in a message. */
export function told(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value !== 'object') return `${typeof value} ${String(value)}`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid Date' : `Date ${value.toISOString()}`;
  if (value instanceof ExactNumber) return value.text;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}

export const toBool: Convert = (value) => {
  if (typeof value === 'boolean') return value;
  // As `boolin` reads it, without its abbreviations.
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (['true', 't', 'yes', 'on', '1'].includes(text)) return true;
  if (['false', 'f', 'no', 'off', '0'].includes(text)) return false;
  throw wrong(value, 'a boolean');
};

export const toInteger: Convert = (value) => {
  const text = value instanceof ExactNumber ? value.text : typeof value === 'string' ? value.trim() : undefined;
  if (typeof value === 'number' && Number.isInteger(value)) return within(BigInt(assertSafe(value)), value);
  if (typeof value === 'bigint') return within(value, value);
  if (text !== undefined && /^[+-]?\d+$/.test(text)) return within(BigInt(text.replace('+', '')), text);
  throw wrong(value, 'a whole number');
};

function within(value: bigint, given: unknown): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new Unfit(`${told(given)} is out of range for bigint`, OUT_OF_RANGE);
}

/** An integer beyond 2^53 may have been another one before JavaScript rounded it. */
function assertSafe(value: number): number {
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
  const why = `${value} is beyond the whole numbers that JavaScript holds exactly; give a bigint or a string`;
  throw new Unfit(why, 'unsafe_number');
}

export const toNumeric: Convert = (value) => {
  if (typeof value === 'string' || value instanceof ExactNumber) return wellFormed(String(value));
  if (typeof value === 'number') return String(assertSafe(value));
  if (typeof value === 'bigint') return String(value);
  throw wrong(value, 'a number');
};

const FLOAT_TEXT = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$/i;

/** As `float8in`: the nearest double; one that is too large is refused. */
export const toDouble: Convert = (value) => {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value.trim() : value instanceof ExactNumber ? value.text : undefined;
  if (typeof value === 'bigint') {
    if (BigInt(Number(value)) === value) return Number(value);
    throw new Unfit(`${value} is no double exactly; use numeric`, 'rounded');
  }
  if (text === undefined || !FLOAT_TEXT.test(text)) throw wrong(value, 'a number');
  if (/nan|inf/i.test(text)) return /nan/i.test(text) ? Number.NaN : text.startsWith('-') ? -Infinity : Infinity;
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  throw new Unfit(`${quoted(text)} is out of range for double precision`, OUT_OF_RANGE);
};

/** Text goes to the nearest single, as `float4in` reads it; a number has to be one already. */
export const toSingle: Convert = (value) => {
  const double = toDouble(value) as number;
  const single = Math.fround(double);
  if (!Number.isFinite(single) && Number.isFinite(double)) {
    throw new Unfit(`${told(value)} is out of range for real`, OUT_OF_RANGE);
  }
  if (typeof value === 'string' || Object.is(single, double)) return single;
  throw new Unfit(`${told(value)} has more digits than real keeps`, 'rounded');
};

export const toText: Convert = (value) => {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value === 'number') return String(assertSafe(value));
  if (['bigint', 'boolean'].includes(typeof value) || value instanceof ExactNumber) return String(value);
  throw new Unfit(`${told(value)} is no text; give String(…) or JSON.stringify(…) of it`, WRONG_TYPE);
};

/** For types whose values are written as text: inet, interval, ranges and such. */
export const toWritten: Convert = (value) => {
  if (typeof value === 'string') return wellFormed(value);
  throw new Unfit(`${told(value)} is not the text of a value`, WRONG_TYPE);
};

/** Half a surrogate pair has no UTF-8. */
function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw new Unfit('the text holds half of a surrogate pair', 'invalid_utf8');
}

export const toBytes: Convert = (value) => {
  if (value instanceof Uint8Array) return value;
  throw new Unfit(`${told(value)} is not bytes; give a Uint8Array`, WRONG_TYPE);
};

/** A string is JSON text already; anything else is written as JSON. */
export const toJsonText: Convert = (value) => {
  if (typeof value === 'string') return wellFormed(value);
  try {
    return toJson(value);
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    throw new Unfit(error.message, 'invalid_json');
  }
};

export const toDay: Convert = (value) => {
  if (value instanceof Date) {
    const ms = timeOf(value);
    if (ms % DAY_MS === 0) return ms / DAY_MS;
    throw new Unfit(`${told(value)} has a time of day, which a date does not keep`, 'digits_lost');
  }
  if (typeof value !== 'string') throw wrong(value, 'a date');
  const day = parseDate(value);
  if (day === 0x7fffffff) return DAY_INFINITY;
  return day === -0x80000000 ? -DAY_INFINITY : day + EPOCH_DAYS;
};

/** @param zoned a text has to say its offset from UTC; otherwise it must have none, and a Date gives its UTC time */
export function toMoment(zoned: boolean): Convert {
  return (value) => {
    if (value instanceof Date) return BigInt(timeOf(value)) * 1000n;
    if (typeof value === 'string') {
      const micros = parseTimestamp(value, zoned);
      if (micros === US_INFINITY) return micros;
      return micros === -(2n ** 63n) ? -US_INFINITY : micros + EPOCH_US;
    }
    const hint = typeof value === 'number' ? '; give new Date(milliseconds)' : '';
    throw new Unfit(`${told(value)} is not a date and time${hint}`, WRONG_TYPE);
  };
}

function timeOf(date: Date): number {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new Unfit('an invalid Date', WRONG_TYPE);
  return ms;
}

const CLOCK = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,}))?)?$/;

export const toTimeOfDay: Convert = (value) => {
  const text = typeof value === 'string' ? value.trim() : '';
  const [, hour, minute, second = '0', fraction = ''] = CLOCK.exec(text) ?? [];
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  if (hour === undefined || Number(minute) > 59 || Number(second) > 59 || seconds > 86_400) {
    throw wrong(value, 'a time of day; write it as HH:MM:SS');
  }
  const micros = BigInt(seconds) * 1_000_000n + microseconds(fraction, text);
  if (micros > 86_400_000_000n) throw wrong(value, 'a time of day');
  return micros;
};

/** @param element of what the list's elements are */
export function toList(element: Convert): Convert {
  return (value) => {
    const isList = Array.isArray(value) || value instanceof Set || (ArrayBuffer.isView(value) && 'length' in value);
    if (!isList) throw wrong(value, 'an array');
    return Array.from(value as Iterable<unknown>, (one, index) => {
      if (one === null || one === undefined) return null;
      try {
        return element(one);
      } catch (error) {
        if (error instanceof Unfit) throw new Unfit(`element ${index + 1}: ${error.message}`, error.reason);
        throw error;
      }
    });
  };
}

/** @param members by name, in the order of the type's */
export function toStruct(members: readonly { name: string; convert: Convert }[]): Convert {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(value, 'an object');
    const given = value as Record<string, unknown>;
    const extra = Object.keys(given).find((name) => !members.some((member) => member.name === name));
    if (extra !== undefined) throw new Unfit(`the type has no member "${extra}"`, WRONG_TYPE);
    return members.map(({ name, convert }) => {
      const member = given[name];
      return member === null || member === undefined ? null : convert(member);
    });
  };
}

/** Numbers of a pgvector column that may lose digits; also as JSON text. */
export const toNumbers: Convert = (value) => {
  if (typeof value !== 'string') return toList(toDouble)(value);
  try {
    return toList(toDouble)(JSON.parse(value));
  } catch (error) {
    throw error instanceof SyntaxError ? wrong(value, 'a JSON array of numbers') : error;
  }
};

/** Numbers of a pgvector column as JSON text, which its encoder reads. @param nearest the nearest that the type holds */
export function toVectorText(nearest: (value: number) => number): Convert {
  return (value) => {
    if (typeof value === 'string') return wellFormed(value);
    const numbers = toList(toDouble)(value) as (number | null)[];
    const lost = numbers.findIndex(
      (number) => number !== null && Number.isFinite(number) && nearest(number) !== number,
    );
    if (lost === -1) return toJsonText(numbers) as string;
    throw new Unfit(`number ${lost + 1} has more digits than the column keeps; allow 'round' for it`, 'rounded');
  };
}
