import type { Kind } from '../../arrow/types.ts';
import type { ColumnEncoder } from './column.ts';
import { parsedText, quoted, Unfit } from './parsed.ts';

/**
 * bit(n) and bit varying(n) in binary (`bit_send` and `varbit_send` in `utils/adt/varbit.c`): the count of bits, then
 * the bits, the first one in the highest place, and the last byte filled up with zeros.
 * @param typmod the length, or -1 for any
 * @param varying bit varying, where the length is the most that fits and not the only one
 */
export function bitsEncoder(kind: Kind, typmod: number, varying: boolean): ColumnEncoder | undefined {
  return parsedText(
    kind,
    (text) => {
      const digits = binaryDigits(text);
      if (digits === undefined) throw new Unfit(`${quoted(text)} is not a string of bits`);
      if (varying ? typmod >= 0 && digits.length > typmod : typmod >= 0 && digits.length !== typmod) {
        const message = `${digits.length} bits do not fit into ${varying ? 'bit varying' : 'bit'}(${typmod})`;
        throw new Unfit(message, varying ? 'too_long' : 'wrong_length');
      }
      return image(digits);
    },
    'not_bits',
  );
}

/** Zeros and ones, from the same or from hexadecimal digits behind an x. */
function binaryDigits(text: string): string | undefined {
  const hex = /^x([0-9a-f]*)$/i.exec(text);
  if (hex) return [...hex[1]!].map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
  return /^b?([01]*)$/i.exec(text)?.[1];
}

function image(digits: string): Uint8Array {
  const bytes = new Uint8Array(4 + Math.ceil(digits.length / 8));
  new DataView(bytes.buffer).setInt32(0, digits.length);
  for (let bit = 0; bit < digits.length; bit++) {
    if (digits[bit] === '1') bytes[4 + (bit >> 3)]! |= 0x80 >> (bit & 7);
  }
  return bytes;
}
