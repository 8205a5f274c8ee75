/** An unscaled value with its decimal point, for example (1234, 2) as `12.34`. */
export function decimalText(unscaled: number | bigint, scale: number): string {
  const digits = String(unscaled < 0 ? -unscaled : unscaled).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = scale === 0 ? '' : `.${digits.slice(digits.length - scale)}`;
  return `${unscaled < 0 ? '-' : ''}${whole}${fraction}`;
}

/** The 128-bit value at `index` of the words of an Arrow decimal column, low word first. */
export function decimalValue(words: Int32Array | Uint32Array, index: number): bigint {
  const word = (offset: number) => BigInt(words[index * 4 + offset]! >>> 0);
  return BigInt.asIntN(128, word(0) | (word(1) << 32n) | (word(2) << 64n) | (word(3) << 96n));
}
