import { expect, test } from 'vitest';
import { Turns } from '../../src/duckdb/turns.ts';

const memoryMb = () => 128;

test('small partitions are read side by side, and large ones as far as they fit', async () => {
  const turns = new Turns();
  const first = await turns.take(80, memoryMb);
  await turns.take(10, memoryMb);
  let taken = false;
  const second = turns.take(80, memoryMb).then(() => {
    taken = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBe(false);
  turns.giveBack(first);
  await second;
});

test('one that takes all there is has its turn when it is alone', async () => {
  await new Turns().take(1_000, memoryMb);
});

test('nobody waits for ever, since the one whose turn it is may wait for him', async () => {
  const turns = new Turns(10);
  turns.sideBySide = 1;
  await turns.take(0, memoryMb);
  const late = await turns.take(0, memoryMb);
  expect(late.crowded).toBe(true);
});

test('of those that ask together the largest goes first, and who asks later waits for all of them', async () => {
  const turns = new Turns();
  const went: number[] = [];
  const go = (needMb: number) => turns.alone(needMb, async () => void went.push(needMb));
  const late: Promise<void>[] = [];
  await Promise.all([go(10), go(30), turns.alone(20, async () => void late.push(go(40)))]);
  await Promise.all(late);
  expect(went).toEqual([30, 10, 40]);
});

test('what fails in its turn takes nobody else with it', async () => {
  const turns = new Turns();
  const fails = turns.alone(20, () => Promise.reject(new Error('broken')));
  const works = turns.alone(10, async () => 'done');
  await expect(fails).rejects.toThrow('broken');
  expect(await works).toBe('done');
});
