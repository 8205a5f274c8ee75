import type { Data } from '../../arrow/batch.ts';
import { isValid, wordsOf } from '../../arrow/cells.ts';
import { decimalText, decimalValue } from '../../arrow/decimal.ts';
import { type Change, sameShape } from './coerce.ts';

/** Decimals of scale `from` become decimals of the smaller scale `to`; halves go away from zero, as in Postgres. */
export function roundDecimals(from: number, to: number): Change {
  const unit = 10n ** BigInt(from - to);
  return (data, lost) => {
    const words = wordsOf(data.values);
    const rounded = new Int32Array(words.length);
    for (let row = 0; row < data.length; row++) {
      const value = decimalValue(words, row);
      const rest = value % unit;
      const magnitude = rest < 0n ? -rest : rest;
      const away = magnitude * 2n < unit ? 0n : value < 0n ? -1n : 1n;
      putDecimal(rounded, row, (value - rest) / unit + away);
      if (rest !== 0n && isValid(data, row)) lost(row, `${decimalText(value, from)} has more than ${to} digits`);
    }
    return sameShape(data, rounded);
  };
}

function putDecimal(words: Int32Array, row: number, value: bigint): void {
  for (let word = 0; word < 4; word++) words[row * 4 + word] = Number(BigInt.asIntN(32, value >> BigInt(word * 32)));
}

/** Doubles, or integers of 32 bits, become the nearest numbers of single precision. */
export const roundToSingle: Change = (data: Data, lost) => {
  const values: ArrayLike<number> = data.values;
  for (let row = 0; row < data.length; row++) {
    const value = values[row]!;
    const single = Math.fround(value);
    if (!Object.is(single, value) && !Number.isNaN(value) && isValid(data, row))
      lost(row, `${value} becomes ${single}`);
  }
  return data;
};
