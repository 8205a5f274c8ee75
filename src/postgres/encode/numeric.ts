import type { Data, Decimal } from '../../arrow/batch.ts';
import { hasNulls, isValid, wordsOf } from '../../arrow/cells.ts';
import { decimalText, decimalValue } from '../../arrow/decimal.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, writeNull } from './column.ts';

/**
 * numeric in binary (`numeric_send`): the count of base-10000 digits, the weight of the first one, the sign, the
 * scale shown, then the digits, without leading or trailing zero digits.
 */
const HEADER_BYTES = 8;
const NEGATIVE = 0x4000;
const BASE = 10_000;

const INTEGERS: readonly Kind[] = ['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'];

export interface NumericLimit {
  precision: number;
  scale: number;
}

/** @param typmod of the column: precision in the upper half, scale in the lower 11 bits, 4 added (`numeric.c`) */
export function numericLimit(typmod: number): NumericLimit | undefined {
  if (typmod < 4) return undefined;
  const raw = typmod - 4;
  return { precision: (raw >> 16) & 0xffff, scale: ((raw & 0x7ff) ^ 1024) - 1024 };
}

/**
 * numeric, from integers and decimals. A column of smaller scale than the values would round, so there is no encoder
 * for that pair; a value with too many digits before the point is a reject.
 * @param scale of the Arrow values, 0 for integers
 */
export function numericEncoder(kind: Kind, scale: number, limit: NumericLimit | undefined): ColumnEncoder | undefined {
  if (kind !== 'decimal' && !INTEGERS.includes(kind)) return undefined;
  if (scale < 0 || (limit && limit.scale < scale)) return undefined;
  const shownScale = limit ? limit.scale : scale;
  const open = (data: Data) => new Digits(data, kind, scale);
  return {
    ...(limit ? { check: precisionCheck(kind, scale, limit) } : {}),
    size(data, from, to, sizes) {
      const digits = open(data);
      const nullable = hasNulls(data);
      for (let index = from; index < to; index++) {
        if (nullable && !isValid(data, index)) continue;
        digits.read(index);
        sizes[index - from]! += HEADER_BYTES + digits.count * 2;
      }
    },
    write(data, from, to, target) {
      const { view, at } = target;
      const digits = open(data);
      const nullable = hasNulls(data);
      for (let index = from; index < to; index++) {
        const slot = index - from;
        if (nullable && !isValid(data, index)) {
          writeNull(target, slot);
          continue;
        }
        digits.read(index);
        let position = at[slot]!;
        view.setInt32(position, HEADER_BYTES + digits.count * 2);
        view.setInt16(position + 4, digits.count);
        view.setInt16(position + 6, digits.weight);
        view.setUint16(position + 8, digits.negative ? NEGATIVE : 0);
        view.setUint16(position + 10, shownScale);
        position += 4 + HEADER_BYTES;
        for (let digit = digits.count - 1; digit >= 0; digit--) {
          view.setInt16(position, digits.lowFirst[digits.skipped + digit]!);
          position += 2;
        }
        at[slot] = position;
      }
    },
  };
}

/** Takes the values of one column apart, one at a time, without making an object per value. */
class Digits {
  /** Base-10000 digits, the least first; those in [skipped, skipped + count) count. */
  readonly lowFirst = new Int16Array(24);
  skipped = 0;
  count = 0;
  weight = 0;
  negative = false;

  readonly #value: (index: number) => number | bigint;
  /** What aligns the decimal point with a boundary between base-10000 digits. */
  readonly #shift: number;
  readonly #fractionDigits: number;

  constructor(data: Data, kind: Kind, scale: number) {
    this.#value = valueReader(data, kind);
    this.#shift = 10 ** ((4 - (scale % 4)) % 4);
    this.#fractionDigits = Math.ceil(scale / 4);
  }

  read(index: number): void {
    const value = this.#value(index);
    let length = 0;
    if (typeof value === 'number') {
      this.negative = value < 0;
      let rest = Math.abs(value) * this.#shift;
      while (rest > 0) {
        const next = Math.floor(rest / BASE);
        this.lowFirst[length++] = rest - next * BASE;
        rest = next;
      }
    } else {
      this.negative = value < 0n;
      let rest = (value < 0n ? -value : value) * BigInt(this.#shift);
      while (rest > 0n) {
        this.lowFirst[length++] = Number(rest % 10_000n);
        rest /= 10_000n;
      }
    }
    let skipped = 0;
    while (skipped < length && this.lowFirst[skipped] === 0) skipped++;
    this.skipped = skipped;
    this.count = length - skipped;
    this.weight = this.count === 0 ? 0 : length - 1 - this.#fractionDigits;
  }
}

/** Up to here a value times 1000 is still an exact double. */
const SAFE = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/** A reader that gives plain numbers where they are exact, which is nearly always, and bigint where not. */
function valueReader(data: Data, kind: Kind): (index: number) => number | bigint {
  const { values } = data;
  if (kind === 'decimal') {
    const quads = wordsOf(values);
    return (index) => {
      const low = quads[index * 4]! >>> 0;
      const high = quads[index * 4 + 1]!;
      const sign = high >> 31;
      if (quads[index * 4 + 2] === sign && quads[index * 4 + 3] === sign) {
        const value = high * 0x1_0000_0000 + low;
        if (value <= SAFE && value >= -SAFE) return value;
      }
      return decimalValue(quads, index);
    };
  }
  if (kind === 'int64' || kind === 'uint64') {
    return (index) => {
      const value: bigint = values[index];
      return value <= SAFE && value >= -SAFE ? Number(value) : value;
    };
  }
  return (index) => values[index];
}

function precisionCheck(kind: Kind, scale: number, limit: NumericLimit): NonNullable<ColumnEncoder['check']> {
  // Digits before the point are the same on both sides, so the bound holds for the unscaled Arrow value.
  const bound = 10n ** BigInt(Math.max(0, limit.precision - limit.scale + scale));
  const safeBound = Number(bound);
  return (data, report) => {
    if (kind === 'decimal' && 10n ** BigInt((data.type as Decimal).precision) <= bound) return;
    const value = valueReader(data, kind);
    for (let index = 0; index < data.length; index++) {
      const found = value(index);
      const fits = typeof found === 'number' ? Math.abs(found) < safeBound : found < bound && found > -bound;
      if (fits || !isValid(data, index)) continue;
      const name = `numeric(${limit.precision},${limit.scale})`;
      report(index, 'out_of_range', `${decimalText(found, scale)} is out of range for ${name}`);
    }
  };
}
