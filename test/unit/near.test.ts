import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { Near } from '../../src/sources/run-directory/near.ts';

/** Answers in this thread after so many milliseconds, and elsewhere at once. */
function timed(tookMs: () => number) {
  const asked: string[] = [];
  const clock = vi.spyOn(performance, 'now');
  let nowMs = 0;
  clock.mockImplementation(() => nowMs);
  const here = (name: string) => {
    nowMs += tookMs();
    asked.push('here');
    return name;
  };
  const elsewhere = async (name: string) => {
    asked.push('elsewhere');
    return name;
  };
  const near = new Near(here, elsewhere);
  return {
    asked,
    near,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('what answers at once is asked in this thread; three slow answers in a row send a second of questions elsewhere', async () => {
  const times = [0.1, 0.8, 0.8, 0.1, 0.8, 0.8, 0.8];
  const { asked, near, pass } = timed(() => times.shift() ?? 0.1);
  for (let question = 0; question < 9; question++) expect(await near.ask('answer')).toBe('answer');
  expect(asked).toEqual([...Array(7).fill('here'), 'elsewhere', 'elsewhere']);
  pass(1_000);
  await near.ask('answer');
  expect(asked.at(-1)).toBe('here');
  vi.restoreAllMocks();
});

test('an error is the same wherever it comes from', async () => {
  const near = new Near<[path: string], Buffer>((path) => readFileSync(path), readFile);
  await expect(near.ask('/nowhere/at/all')).rejects.toMatchObject({ code: 'ENOENT' });
});
