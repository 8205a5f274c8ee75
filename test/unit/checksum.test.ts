import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Checksum } from '../../src/postgres/checksum.ts';

function sumOf(rows: readonly Uint8Array[]): string {
  const checksum = new Checksum();
  for (const row of rows) checksum.add(row, new DataView(row.buffer, row.byteOffset, row.byteLength), 0, row.length);
  return checksum.toString();
}

const rowsOf = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { minLength: 1, maxLength: 20 });

test('the order of rows does not matter', () => {
  fc.assert(fc.property(rowsOf, (rows) => sumOf(rows.toReversed()) === sumOf(rows)));
});

test('sums of parts add up to the sum of the whole', () => {
  fc.assert(
    fc.property(rowsOf, rowsOf, (one, other) => {
      const total = new Checksum();
      total.addSum(sumOf(one));
      total.addSum(sumOf(other));
      expect(total.toString()).toBe(sumOf([...one, ...other]));
    }),
  );
});

test('a change of any byte shows, and so do two bytes that change places', () => {
  fc.assert(
    fc.property(rowsOf, fc.nat(), fc.integer({ min: 1, max: 255 }), (rows, where, change) => {
      const changed = rows.map((row) => Uint8Array.from(row));
      const row = changed[where % changed.length]!;
      row[where % row.length]! ^= change;
      expect(sumOf(changed)).not.toBe(sumOf(rows));
    }),
  );
  expect(sumOf([Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)])).not.toBe(sumOf([Uint8Array.of(5, 6, 7, 8, 1, 2, 3, 4)]));
});

test('a row that is missing, or there twice, shows', () => {
  const rows = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  expect(sumOf(rows.slice(1))).not.toBe(sumOf(rows));
  expect(sumOf([...rows, rows[0]!])).not.toBe(sumOf(rows));
});
