import { expect, test } from 'vitest';
import { copyShort, viewOf } from '../../src/arrow/copy.ts';

test('a value of any length is copied as it is, and nothing beside it', () => {
  const from = Uint8Array.from({ length: 700 }, (_, index) => (index * 37 + 11) % 256);
  for (let length = 0; length <= 600; length++) {
    for (const [start, at] of [
      [0, 0],
      [3, 8],
      [16, 5],
    ] as const) {
      const to = new Uint8Array(700).fill(7);
      copyShort(from, viewOf(from), start, to, viewOf(to), at, length);
      const expected = new Uint8Array(700).fill(7);
      expected.set(from.subarray(start, start + length), at);
      expect(Buffer.compare(to, expected), `${length} bytes from ${start} to ${at}`).toBe(0);
    }
  }
});
