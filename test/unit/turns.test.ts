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

test('who gives back and asks again goes behind those who wait, and small ones wait for nobody', async () => {
  const turns = new Turns();
  const went: string[] = [];
  const go = async (name: string) => {
    for (let part = 0; part < 3; part++) {
      const reading = await turns.take(80, memoryMb);
      went.push(name);
      turns.giveBack(reading);
    }
  };
  const held = await turns.take(80, memoryMb);
  const both = [go('one'), go('other')];
  await turns.take(10, memoryMb);
  turns.giveBack(held);
  await Promise.all(both);
  expect(went).toEqual(['one', 'other', 'one', 'other', 'one', 'other']);
});

test('nobody waits for ever, since the one whose turn it is may wait for him', async () => {
  const turns = new Turns();
  turns.sideBySide = 1;
  await turns.take(0, memoryMb);
  const late = await turns.take(0, memoryMb, 10);
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
