import { expect, test } from 'vitest';
import type { LakeState } from '../../src/lake/catalog.ts';
import { cutoffOf, expiredFiles } from '../../src/lake/expire.ts';

const NOW = new Date('2026-03-31T23:59:59Z');

test.each([
  ['0d', '2026-03-31'],
  ['31d', '2026-02-28'],
  ['2 weeks', '2026-03-17'],
  ['1m', '2026-02-28'],
  ['25m', '2024-02-29'],
  ['1y', '2025-03-31'],
  ['2025-12-24', '2025-12-24'],
])('%s ago is %s', (text, day) => {
  expect(cutoffOf(text, NOW)).toBe(day);
});

test.each(['', '5', 'd', '-1d', '2025-02-30', '3000y', '2025-1-1'])('"%s" is no age', (text) => {
  expect(() => cutoffOf(text, NOW)).toThrow(/--older-than/);
});

test('a file is old when the last day that its folders allow is', () => {
  const paths = [
    't/year=2024/a.parquet',
    't/year=2024/month=02/a.parquet',
    't/year=2024/month=02/day=29/a.parquet',
    't/year=__HIVE_DEFAULT_PARTITION__/month=__HIVE_DEFAULT_PARTITION__/day=__HIVE_DEFAULT_PARTITION__/a.parquet',
    't/a.parquet',
  ];
  const state = { files: paths.map((path) => ({ dataset: 't', path })) } as unknown as LakeState;
  const old = (cutoff: string) => expiredFiles(state, cutoff).expired.map(({ path }) => paths.indexOf(path));
  expect(old('2024-02-29')).toEqual([]);
  expect(old('2024-03-01')).toEqual([1, 2]);
  expect(old('2024-12-31')).toEqual([1, 2]);
  expect(old('2025-01-01')).toEqual([0, 1, 2]);
  expect(expiredFiles(state, '2030-01-01')).toMatchObject({ undated: 2 });
  expect(expiredFiles(state, '2030-01-01', 'other')).toEqual({ expired: [], undated: 0 });
});
