import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlaceHashes } from '../../src/sinks/place-hashes.ts';

const hashOf = (first: number, second: number) => Int32Array.of(first, second);

test('a row has the hash and the mark that it was given last, however few or many rows have any', () => {
  const rows = 20_000;
  const row = fc.record({
    place: fc.nat(rows - 1),
    first: fc.integer(),
    second: fc.integer(),
    mark: fc.integer({ min: 1, max: 2 }),
  });
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 60 }),
      fc.nat(9_000),
      fc.integer({ min: 1, max: 7 }),
      (given, more, apart) => {
        const hashes = new PlaceHashes(rows);
        const expected = new Map<number, (typeof given)[number]>();
        const stretch = Array.from({ length: more }, (_, index) => ({
          place: (index * apart) % rows,
          first: index,
          second: -index,
          mark: 1,
        }));
        for (const each of [...given.slice(30), ...stretch, ...given]) {
          hashes.set(each.place, hashOf(each.first, each.second), each.mark);
          expected.set(each.place, each);
        }
        for (let place = 0; place < rows; place++) {
          const each = expected.get(place);
          if (hashes.mark(place) !== (each?.mark ?? 0)) return false;
          if (each && !hashes.equals(place, hashOf(each.first, each.second))) return false;
          if (each && hashes.equals(place, hashOf(each.first, each.second + 1))) return false;
        }
        return true;
      },
    ),
    { numRuns: 60 },
  );
});

test('a partition of a few rows has a slot for each', () => {
  const hashes = new PlaceHashes(3);
  hashes.set(2, hashOf(5, 6), 2);
  expect([0, 1, 2].map((place) => hashes.mark(place))).toEqual([0, 0, 2]);
  expect(hashes.equals(2, hashOf(5, 6))).toBe(true);
  hashes.dispose();
});
