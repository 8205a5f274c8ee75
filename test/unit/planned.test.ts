import { expect, test } from 'vitest';
import { begun } from '../../src/runs/planned.ts';

/** Counts up, and keeps a diary. */
async function* counting(diary: string[], until: number): AsyncGenerator<number> {
  try {
    for (let number = 1; number <= until; number++) {
      diary.push(`makes ${number}`);
      yield number;
    }
    throw new Error('out of numbers');
  } finally {
    diary.push('is closed');
  }
}

test('the first item is made at once, and the others when they are asked for', async () => {
  const diary: string[] = [];
  const items = begun(counting(diary, 3));
  expect(diary).toEqual(['makes 1']);
  for await (const item of items) {
    diary.push(`got ${item}`);
    if (item === 2) break;
  }
  expect(diary).toEqual(['makes 1', 'got 1', 'makes 2', 'got 2', 'is closed']);
});

test('who does not want them closes them, and a failure that nobody asked for troubles nobody', async () => {
  const diary: string[] = [];
  await begun(counting(diary, 3)).giveUp();
  expect(diary).toEqual(['makes 1', 'is closed']);
  await begun(counting([], 0)).giveUp();
});

test('who asks is told of a failure, be it the first thing or a later one', async () => {
  for (const until of [0, 2]) {
    const found: number[] = [];
    const all = async () => {
      for await (const item of begun(counting([], until))) found.push(item);
    };
    await expect(all()).rejects.toThrow('out of numbers');
    expect(found).toHaveLength(until);
  }
});
