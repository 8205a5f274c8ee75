import { isValid, wordsOf } from '../../arrow/cells.ts';
import { type Change, sameShape } from './coerce.ts';

const WORD = 0x1_0000_0000;

/**
 * Times in nanoseconds or microseconds become microseconds with no more digits than the column keeps. What is too much
 * is cut off, towards the past, as for every moment of the same second.
 * @param nanoseconds whether the values are in nanoseconds
 * @param digits of the second that the column keeps, 0 to 6
 */
export function truncateTimes(nanoseconds: boolean, digits: number): Change {
  const step = 10 ** (6 - digits);
  return (data, lost) => {
    const from = wordsOf(data.values);
    const to = new Int32Array(from.length);
    for (let row = 0; row < data.length; row++) {
      let high = from[row * 2 + 1]!;
      let low = from[row * 2]! >>> 0;
      // Infinities travel as the largest numbers, and stay.
      const infinite = (high === 0x7fffffff && low === 0xffffffff) || (high === -0x80000000 && low === 1);
      if (!infinite) {
        let rest = 0;
        // Two divisions, so that every step is exact in the 53 bits of a double.
        if (nanoseconds) [high, low, rest] = divide(high, low, 1000);
        if (step > 1) {
          const [quotientHigh, quotientLow, left] = divide(high, low, step);
          const product = quotientLow * step;
          high = quotientHigh * step + Math.floor(product / WORD);
          low = product % WORD;
          rest += left;
        }
        if (rest !== 0 && isValid(data, row)) lost(row, `the time has more than ${digits} digits of a second`);
      }
      to[row * 2] = low;
      to[row * 2 + 1] = high;
    }
    return sameShape(data, new BigInt64Array(to.buffer));
  };
}

/** A 64-bit number by a small one, rounded down. @returns high word, low word, remainder */
function divide(high: number, low: number, by: number): [number, number, number] {
  const quotientHigh = Math.floor(high / by);
  const carried = (high - quotientHigh * by) * WORD + low;
  const quotientLow = Math.floor(carried / by);
  return [quotientHigh, quotientLow, carried - quotientLow * by];
}
