import type { LeafColumn } from '../../arrow/parquet/column.ts';
import { DrayageError } from '../../base/errors.ts';

/** Appends one value, which lies in Postgres's binary form in `length` bytes at `at`. */
export type Put = (leaf: LeafColumn, bytes: Uint8Array, view: DataView, at: number, length: number) => void;

/** Days and microseconds from 1970 to 2000, where Postgres begins to count. */
const EPOCH_DAYS = 10_957;
const EPOCH_MICROS = 946_684_800_000_000;
const WORD = 2 ** 32;
const EPOCH_HIGH = Math.floor(EPOCH_MICROS / WORD);
const EPOCH_LOW = EPOCH_MICROS % WORD;
const MAX_INT = 0x7fffffff;

export const putBytes: Put = (leaf, bytes, _view, at, length) => leaf.addBytes(bytes, at, length);

/** jsonb begins with the number of its version. */
export const putJsonb: Put = (leaf, bytes, _view, at, length) => leaf.addBytes(bytes, at + 1, length - 1);

export const putBool: Put = (leaf, bytes, _view, at) => {
  const to = leaf.room(1);
  leaf.bytes[to] = bytes[at]!;
};

export const putInt2: Put = (leaf, _bytes, view, at) => {
  const to = leaf.room(4);
  leaf.view.setInt32(to, view.getInt16(at), true);
};

/** Also floats: the same bits in the other order. */
export const putWord: Put = (leaf, _bytes, view, at) => {
  const to = leaf.room(4);
  leaf.view.setInt32(to, view.getInt32(at), true);
};

export const putDouble: Put = (leaf, _bytes, view, at) => {
  const to = leaf.room(8);
  leaf.view.setInt32(to + 4, view.getInt32(at), true);
  leaf.view.setInt32(to, view.getInt32(at + 4), true);
};

export const putUuid: Put = (leaf, bytes, _view, at) => {
  const to = leaf.room(16);
  for (let index = 0; index < 16; index++) leaf.bytes[to + index] = bytes[at + index]!;
};

/** The ends of the range are the infinities, in Postgres as in DuckDB, which has one number less below. */
export const putDate: Put = (leaf, _bytes, view, at) => {
  const days = view.getInt32(at);
  const to = leaf.room(4);
  const value = days === MAX_INT ? MAX_INT : days === -MAX_INT - 1 ? -MAX_INT : days + EPOCH_DAYS;
  leaf.view.setInt32(to, value, true);
};

export const putTimestamp: Put = (leaf, _bytes, view, at) => {
  const high = view.getInt32(at);
  const low = view.getUint32(at + 4);
  const to = leaf.room(8);
  if (high === MAX_INT && low === WORD - 1) return setWords(leaf, to, MAX_INT, WORD - 1);
  if (high === -MAX_INT - 1 && low === 0) return setWords(leaf, to, high, 1);
  const sum = low + EPOCH_LOW;
  const carried = high + EPOCH_HIGH + (sum >= WORD ? 1 : 0);
  if (carried > MAX_INT) {
    throw unfit('a timestamp after the year 294246', 'Read the column as text: see asText in docs/sources.md.');
  }
  setWords(leaf, to, carried, sum % WORD);
};

function setWords(leaf: LeafColumn, to: number, high: number, low: number): void {
  leaf.view.setInt32(to + 4, high, true);
  leaf.view.setUint32(to, low, true);
}

const NUMERIC_NEGATIVE = 0x4000;
const NUMERIC_SPECIAL = 0xc000;
const NUMERIC_HEAD = 8;
/** Digits that a double holds exactly. */
const EXACT_DIGITS = 15;

/**
 * A numeric of declared precision as an integer of so many digits: of 8 bytes, or of 16 with the highest first. Its
 * binary form is groups of four decimal digits, the first of which counts 10000^weight (`numeric_send`).
 */
export function putDecimal(precision: number, scale: number): Put {
  if (precision > EXACT_DIGITS) return putLongDecimal(precision > 18, scale);
  return (leaf, _bytes, view, at) => {
    const groups = view.getInt16(at);
    const weight = view.getInt16(at + 2);
    const sign = view.getUint16(at + 4);
    assertFinite(sign);
    let value = 0;
    for (let group = 0; group < groups; group++) {
      const digits = view.getInt16(at + NUMERIC_HEAD + group * 2);
      const exponent = (weight - group) * 4 + scale;
      // Digits behind the scale are zeros, so that the division is exact.
      value += exponent >= 0 ? digits * 10 ** exponent : digits / 10 ** -exponent;
    }
    if (sign === NUMERIC_NEGATIVE) value = -value;
    const high = Math.floor(value / WORD);
    setWords(leaf, leaf.room(8), high, value - high * WORD);
  };
}

function putLongDecimal(wide: boolean, scale: number): Put {
  return (leaf, _bytes, view, at) => {
    const groups = view.getInt16(at);
    const weight = view.getInt16(at + 2);
    const sign = view.getUint16(at + 4);
    assertFinite(sign);
    let value = 0n;
    for (let group = 0; group < groups; group++) {
      value = value * 10_000n + BigInt(view.getInt16(at + NUMERIC_HEAD + group * 2));
    }
    const exponent = (weight - groups + 1) * 4 + scale;
    value = exponent >= 0 ? value * 10n ** BigInt(exponent) : value / 10n ** BigInt(-exponent);
    if (sign === NUMERIC_NEGATIVE) value = -value;
    const to = leaf.room(wide ? 16 : 8);
    if (!wide) leaf.view.setBigInt64(to, value, true);
    else {
      leaf.view.setBigInt64(to, value >> 64n);
      leaf.view.setBigUint64(to + 8, BigInt.asUintN(64, value));
    }
  };
}

function assertFinite(sign: number): void {
  if (sign < NUMERIC_SPECIAL) return;
  throw unfit('NaN, which no decimal can hold', 'Read the column as text: see asText in docs/sources.md.');
}

/** @param what the column holds */
export function unfit(what: string, hint: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `The column holds ${what}`, { hint });
}
