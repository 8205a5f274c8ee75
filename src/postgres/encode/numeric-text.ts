import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import type { NumericLimit } from './numeric.ts';
import { parsedText, quoted, trimmed, Unfit } from './parsed.ts';

/** What stands in the place of the sign (`utils/adt/numeric.c`). */
const SIGN = { positive: 0, negative: 0x4000, nan: 0xc000, infinity: 0xd000, minusInfinity: 0xf000 } as const;
/** What Postgres gives as the scale of an infinity, whose bits overlap with those of a short scale. */
const INFINITY_SCALE = 32;

/** The most that numeric holds: digits before the point, and behind it. */
const MOST_WHOLE_DIGITS = 131_072;
const MOST_FRACTION_DIGITS = 16_383;

const NUMBER = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?$/i;
const SPECIAL = new Map<string, number>([
  ['nan', SIGN.nan],
  ['inf', SIGN.infinity],
  ['infinity', SIGN.infinity],
  ['+inf', SIGN.infinity],
  ['+infinity', SIGN.infinity],
  ['-inf', SIGN.minusInfinity],
  ['-infinity', SIGN.minusInfinity],
]);

/** A number as numeric keeps it. */
export interface NumericValue {
  sign: number;
  /** The significant decimal digits, without zeros at either end. */
  digits: string;
  /** Where the decimal point is, counted from the first digit. */
  point: number;
  /** Digits shown behind the point. */
  scale: number;
}

/** numeric, from numbers as text. What a column of smaller scale would round is a reject, unless it is zeros. */
export function numericTextEncoder(kind: Kind, limit: NumericLimit | undefined): ColumnEncoder | undefined {
  return parsedText(
    kind,
    (text) => {
      const value = parseNumeric(text);
      return numericImage(limit ? fitted(value, limit, text) : value);
    },
    'not_a_number',
  );
}

export function parseNumeric(text: string): NumericValue {
  const body = trimmed(text);
  const special = body.length <= 9 ? SPECIAL.get(body.toLowerCase()) : undefined;
  if (special !== undefined) {
    return { sign: special, digits: '', point: 0, scale: special === SIGN.nan ? 0 : INFINITY_SCALE };
  }
  const match = NUMBER.exec(body);
  if (!match) throw new Unfit(`${quoted(text)} is not a number`);
  const [, sign, whole = '', behind, alone, power = '0'] = match;
  const fraction = behind ?? alone ?? '';
  const exponent = Number(power);
  const all = whole + fraction;
  const first = all.search(/[1-9]/);
  const scale = Math.max(0, fraction.length - exponent);
  const point = first < 0 ? 0 : whole.length + exponent - first;
  if (point > MOST_WHOLE_DIGITS || scale > MOST_FRACTION_DIGITS || Math.abs(exponent) >= 2 ** 30) {
    throw new Unfit(`${quoted(text)} is out of range for numeric`, 'out_of_range');
  }
  if (first < 0) return { sign: SIGN.positive, digits: '', point: 0, scale };
  let last = all.length;
  while (all[last - 1] === '0') last--;
  return { sign: sign === '-' ? SIGN.negative : SIGN.positive, digits: all.slice(first, last), point, scale };
}

function fitted(value: NumericValue, { precision, scale }: NumericLimit, text: string): NumericValue {
  const name = `numeric(${precision},${scale})`;
  if (value.sign === SIGN.nan) return value;
  if (value.sign > SIGN.negative || (value.digits !== '' && value.point > precision - scale)) {
    throw new Unfit(`${quoted(text)} is out of range for ${name}`, 'out_of_range');
  }
  if (value.digits.length - value.point > scale && value.digits !== '') {
    throw new Unfit(`${quoted(text)} has more digits behind the point than ${name} keeps`, 'rounded');
  }
  return { ...value, scale: Math.max(0, scale) };
}

/**
 * `numeric_send` in `utils/adt/numeric.c`: the count of base-10000 digits, the weight of the first one, the sign, the
 * scale shown, then the digits, without leading or trailing zero digits.
 */
export function numericImage({ sign, digits, point, scale }: NumericValue): Uint8Array {
  const weight = digits === '' ? 0 : Math.ceil(point / 4) - 1;
  const before = digits === '' ? 0 : (weight + 1) * 4 - point;
  const count = Math.ceil((before + digits.length) / 4);
  const aligned = digits.padStart(before + digits.length, '0').padEnd(count * 4, '0');
  const bytes = new Uint8Array(8 + count * 2);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, count);
  view.setInt16(2, weight);
  view.setUint16(4, sign);
  view.setUint16(6, scale);
  for (let digit = 0; digit < count; digit++) {
    view.setInt16(8 + digit * 2, Number(aligned.slice(digit * 4, digit * 4 + 4)));
  }
  return bytes;
}

/** Less than 0, 0 or more than 0; NaN comes after infinity, as Postgres sorts it. */
export function compareNumeric(a: NumericValue, b: NumericValue): number {
  const rank = order(a) - order(b);
  if (rank !== 0 || a.digits === '') return rank;
  const larger = a.point - b.point || (a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0);
  return a.sign === SIGN.negative ? -larger : larger;
}

function order({ sign, digits }: NumericValue): number {
  if (sign === SIGN.minusInfinity) return -2;
  if (sign === SIGN.infinity) return 2;
  if (sign === SIGN.nan) return 3;
  if (digits === '') return 0;
  return sign === SIGN.negative ? -1 : 1;
}
