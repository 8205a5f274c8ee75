import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { nextDay, parseDate, parseTimestamp } from './moment.ts';
import { compareNumeric, numericImage, parseNumeric } from './numeric-text.ts';
import { parsedText, quoted, trimmed, Unfit } from './parsed.ts';
import { parseMultirangeText, parseRangeText, type RangeText } from './range-text.ts';

export type RangeOf = 'int4' | 'int8' | 'num' | 'date' | 'ts' | 'tstz';

/** The type that a range is made of. */
interface Subtype<Value> {
  parse(text: string): Value;
  compare(a: Value, b: Value): number;
  image(value: Value): Uint8Array;
  /** Of a type that counts: the value after this one, or undefined when it has none, because it is infinite. */
  next?(value: Value): Value | undefined;
}

interface Range<Value> {
  /** Undefined where the range has no bound. */
  lower: Value | undefined;
  upper: Value | undefined;
  lowerInclusive: boolean;
  upperInclusive: boolean;
}

/** Flags in a range's first byte (`utils/rangetypes.h`). */
const FLAG = { empty: 0x01, lowerInclusive: 0x02, upperInclusive: 0x04, noLower: 0x08, noUpper: 0x10 };

const SUBTYPES: Record<RangeOf, Subtype<unknown>> = {
  int4: integers(4, 'integer'),
  int8: integers(8, 'bigint'),
  num: { parse: parseNumeric, compare: compareNumeric, image: numericImage },
  date: {
    parse: parseDate,
    compare: (a: number, b: number) => a - b,
    image: (day: number) => integerImage(BigInt(day), 4),
    next: nextDay,
  },
  ts: moments(false),
  tstz: moments(true),
};

/**
 * A range in binary (`range_send` in `utils/adt/rangetypes.c`): its flags, then each bound that it has, with its length
 * before it. Ranges of integers and dates have the form [ ) that Postgres gives them.
 */
export function rangeEncoder(kind: Kind, of: RangeOf): ColumnEncoder | undefined {
  const subtype = SUBTYPES[of];
  return parsedText(
    kind,
    (text) => {
      const range = parseRangeText(text);
      return rangeImage(range === 'empty' ? undefined : canonical(range, subtype, text), subtype);
    },
    'not_a_range',
  );
}

/**
 * A multirange in binary (`multirange_send` in `utils/adt/multirangetypes.c`): the count of ranges, then each one with
 * its length before it; in order, and those that touch made one.
 */
export function multirangeEncoder(kind: Kind, of: RangeOf): ColumnEncoder | undefined {
  const subtype = SUBTYPES[of];
  return parsedText(
    kind,
    (text) => {
      const ranges = parseMultirangeText(text).map((range) => canonical(range, subtype, text));
      const images = merged(
        ranges.filter((range) => range !== undefined),
        subtype,
      ).map((range) => withLength(rangeImage(range, subtype)));
      return Buffer.concat([integerImage(BigInt(images.length), 4), ...images]);
    },
    'not_a_multirange',
  );
}

/** The one form of ranges that hold the same; undefined for the empty one. */
function canonical<Value>(range: RangeText, subtype: Subtype<Value>, text: string): Range<Value> | undefined {
  const parse = (bound: string | undefined) => (bound === undefined ? undefined : subtype.parse(bound));
  let lower = parse(range.lower);
  let upper = parse(range.upper);
  let lowerInclusive = range.lowerInclusive && lower !== undefined;
  let upperInclusive = range.upperInclusive && upper !== undefined;
  if (lower !== undefined && upper !== undefined && subtype.compare(lower, upper) > 0) {
    throw new Unfit(`the lower bound of ${quoted(text)} is above the upper one`, 'lower_above_upper');
  }
  if (isEmpty({ lower, upper, lowerInclusive, upperInclusive }, subtype)) return undefined;
  const afterLower = lower === undefined || lowerInclusive ? undefined : subtype.next?.(lower);
  if (afterLower !== undefined) [lower, lowerInclusive] = [afterLower, true];
  const afterUpper = upper === undefined || !upperInclusive ? undefined : subtype.next?.(upper);
  if (afterUpper !== undefined) [upper, upperInclusive] = [afterUpper, false];
  const result = { lower, upper, lowerInclusive, upperInclusive };
  return isEmpty(result, subtype) ? undefined : result;
}

function isEmpty<Value>(range: Range<Value>, { compare }: Subtype<Value>): boolean {
  const { lower, upper, lowerInclusive, upperInclusive } = range;
  if (lower === undefined || upper === undefined || (lowerInclusive && upperInclusive)) return false;
  return compare(lower, upper) >= 0;
}

/** In order, and in one piece where two overlap or touch (`multirange_canonicalize`). */
function merged<Value>(ranges: Range<Value>[], subtype: Subtype<Value>): Range<Value>[] {
  const result: Range<Value>[] = [];
  const sorted = ranges.sort((a, b) => compareLower(a, b, subtype) || compareUpper(a, b, subtype));
  for (const range of sorted) {
    const last = result.at(-1);
    if (!last || isGap(last, range, subtype)) {
      result.push(range);
      continue;
    }
    // Of equal bounds the later one stays: they may be written with different scales.
    if (compareLower(last, range, subtype) === 0) Object.assign(last, lowerOf(range));
    if (compareUpper(last, range, subtype) <= 0) Object.assign(last, upperOf(range));
  }
  return result;
}

const lowerOf = <Value>({ lower, lowerInclusive }: Range<Value>) => ({ lower, lowerInclusive });
const upperOf = <Value>({ upper, upperInclusive }: Range<Value>) => ({ upper, upperInclusive });

function isGap<Value>({ upper, upperInclusive }: Range<Value>, after: Range<Value>, { compare }: Subtype<Value>) {
  if (upper === undefined || after.lower === undefined) return false;
  const order = compare(upper, after.lower);
  return order < 0 || (order === 0 && !upperInclusive && !after.lowerInclusive);
}

function compareLower<Value>(a: Range<Value>, b: Range<Value>, { compare }: Subtype<Value>): number {
  if (a.lower === undefined || b.lower === undefined)
    return Number(b.lower === undefined) - Number(a.lower === undefined);
  return compare(a.lower, b.lower) || Number(b.lowerInclusive) - Number(a.lowerInclusive);
}

function compareUpper<Value>(a: Range<Value>, b: Range<Value>, { compare }: Subtype<Value>): number {
  if (a.upper === undefined || b.upper === undefined)
    return Number(a.upper === undefined) - Number(b.upper === undefined);
  return compare(a.upper, b.upper) || Number(a.upperInclusive) - Number(b.upperInclusive);
}

function rangeImage<Value>(range: Range<Value> | undefined, { image }: Subtype<Value>): Uint8Array {
  if (!range) return Uint8Array.of(FLAG.empty);
  const { lower, upper, lowerInclusive, upperInclusive } = range;
  const flags =
    (lowerInclusive ? FLAG.lowerInclusive : 0) |
    (upperInclusive ? FLAG.upperInclusive : 0) |
    (lower === undefined ? FLAG.noLower : 0) |
    (upper === undefined ? FLAG.noUpper : 0);
  const bounds = [lower, upper].filter((bound) => bound !== undefined).map((bound) => withLength(image(bound)));
  return Buffer.concat([Uint8Array.of(flags), ...bounds]);
}

function withLength(image: Uint8Array): Uint8Array {
  return Buffer.concat([integerImage(BigInt(image.length), 4), image]);
}

function integerImage(value: bigint, bytes: 4 | 8): Uint8Array {
  const image = Buffer.alloc(bytes);
  if (bytes === 4) image.writeInt32BE(Number(value));
  else image.writeBigInt64BE(value);
  return image;
}

function compareIntegers(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function integers(bytes: 4 | 8, name: string): Subtype<bigint> {
  const inRange = (value: bigint, text: string) => {
    if (BigInt.asIntN(bytes * 8, value) === value) return value;
    throw new Unfit(`${quoted(text)} is out of range for ${name}`, 'out_of_range');
  };
  return {
    parse(text) {
      const body = trimmed(text);
      if (!/^[+-]?\d+$/.test(body)) throw new Unfit(`the bound ${quoted(text)} is not an integer`);
      return inRange(BigInt(body.replace('+', '')), text);
    },
    compare: compareIntegers,
    image: (value) => integerImage(value, bytes),
    next: (value) => inRange(value + 1n, `${value + 1n}`),
  };
}

function moments(zoned: boolean): Subtype<bigint> {
  return {
    parse: (text) => parseTimestamp(text, zoned),
    compare: compareIntegers,
    image: (value) => integerImage(value, 8),
  };
}
