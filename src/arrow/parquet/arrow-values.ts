import type { Data, Decimal } from 'apache-arrow';
import { isTrue } from '../cells.ts';
import { decimalText } from '../decimal.ts';
import type { LeafColumn } from './column.ts';

/** Appends the value in row `index`, which is there. */
export type PutArrow = (leaf: LeafColumn, data: Data, index: number) => void;

const put32 = (leaf: LeafColumn, value: number) => {
  const at = leaf.room(4);
  leaf.view.setInt32(at, value, true);
};
const put64 = (leaf: LeafColumn, value: bigint) => {
  const at = leaf.room(8);
  leaf.view.setBigInt64(at, value, true);
};
const putText = (leaf: LeafColumn, text: string) => {
  const bytes = Buffer.from(text);
  leaf.addBytes(bytes, 0, bytes.length);
};

export const putBit: PutArrow = (leaf, data, index) => {
  const at = leaf.room(1);
  leaf.bytes[at] = isTrue(data, index) ? 1 : 0;
};
export const putNumber: PutArrow = (leaf, data, index) => put32(leaf, data.values[index]);
export const putBig: PutArrow = (leaf, data, index) => put64(leaf, data.values[index]);
export const putFloat32: PutArrow = (leaf, data, index) => {
  const at = leaf.room(4);
  leaf.view.setFloat32(at, data.values[index], true);
};
export const putFloat64: PutArrow = (leaf, data, index) => {
  const at = leaf.room(8);
  leaf.view.setFloat64(at, data.values[index], true);
};

/** Half precision (IEEE 754-2008, binary16): 1 bit of sign, 5 of exponent, 10 of fraction. */
export const putHalf: PutArrow = (leaf, data, index) => {
  const bits: number = data.values[index];
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const size =
    exponent === 31
      ? fraction
        ? Number.NaN
        : Number.POSITIVE_INFINITY
      : exponent === 0
        ? fraction * 2 ** -14
        : (1 + fraction) * 2 ** (exponent - 15);
  const at = leaf.room(4);
  leaf.view.setFloat32(at, bits & 0x8000 ? -size : size, true);
};

/** Offsets of 32 or 64 bits. */
export const putSlice: PutArrow = (leaf, { values, valueOffsets }, index) => {
  const start = Number(valueOffsets[index]);
  leaf.addBytes(values, start, Number(valueOffsets[index + 1]) - start);
};

/** Views: a length, and then 12 bytes, or four bytes, a buffer's number and an offset. */
export const putView: PutArrow = (leaf, data, index) => {
  const { values } = data as { values: Uint8Array };
  const view = new DataView(values.buffer, values.byteOffset + index * 16, 16);
  const length = view.getInt32(0, true);
  if (length <= 12) return leaf.addBytes(values, index * 16 + 4, length);
  const buffers = (data as unknown as { variadicBuffers: readonly Uint8Array[] }).variadicBuffers;
  leaf.addBytes(buffers[view.getInt32(8, true)]!, view.getInt32(12, true), length);
};

export function putFixedBlob(width: number): PutArrow {
  return (leaf, { values }, index) => leaf.addBytes(values, index * width, width);
}

export const putUuidBytes: PutArrow = (leaf, { values }, index) => {
  const at = leaf.room(16);
  leaf.bytes.set(values.subarray(index * 16, index * 16 + 16), at);
};

/** A number of 64 bits in another unit. @throws RangeError when it has no place there */
export function putScaled(times: bigint): PutArrow {
  return (leaf, { values }, index) => {
    const value = BigInt(values[index]) * times;
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`the moment ${values[index]} is out of range`);
    put64(leaf, value);
  };
}

/** Nanoseconds as microseconds, of which there must be whole ones. */
export const putMicros: PutArrow = (leaf, { values }, index) => {
  const value: bigint = values[index];
  if (value % 1000n !== 0n) throw new RangeError('a moment in a time zone has nanoseconds, of which none may be lost');
  put64(leaf, value / 1000n);
};

/** A time of day in nanoseconds, as text. */
export const putClock: PutArrow = (leaf, { values }, index) => {
  const digits = (count: bigint, width: number) => String(count).padStart(width, '0');
  const value: bigint = values[index];
  const seconds = value / 1_000_000_000n;
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => digits(part, 2)).join(':');
  putText(leaf, `${clock}.${digits(value % 1_000_000_000n, 9)}`);
};

const DAY_MS = 86_400_000;

export const putDay: PutArrow = (leaf, { values }, index) => {
  const days = Number(values[index]) / DAY_MS;
  if (!Number.isInteger(days)) throw new RangeError('a date is not at the beginning of a day');
  put32(leaf, days);
};

function bigDecimal({ values, type }: Data, index: number): bigint {
  const { bitWidth } = type as Decimal;
  const words = bitWidth / 32;
  let value = 0n;
  for (let word = words - 1; word >= 0; word--) value = (value << 32n) | BigInt(values[index * words + word] >>> 0);
  return BigInt.asIntN(bitWidth, value);
}

/** 16 bytes, the highest first. */
export const putDecimalBytes: PutArrow = (leaf, data, index) => {
  const value = bigDecimal(data, index);
  const at = leaf.room(16);
  leaf.view.setBigInt64(at, BigInt.asIntN(64, value >> 64n));
  leaf.view.setBigUint64(at + 8, BigInt.asUintN(64, value));
};

export const putDecimalText: PutArrow = (leaf, data, index) => {
  const { scale } = data.type as Decimal;
  const value = bigDecimal(data, index);
  putText(leaf, scale < 0 ? String(value * 10n ** BigInt(-scale)) : decimalText(value, scale));
};

/** Intervals as text that DuckDB takes. @param parts of a value, by the words it is made of */
export function putInterval(
  parts: (data: Data, index: number) => [months: number, days: number, micros: bigint],
): PutArrow {
  return (leaf, data, index) => {
    const [months, days, micros] = parts(data, index);
    putText(leaf, `${months} months ${days} days ${micros} microseconds`);
  };
}
