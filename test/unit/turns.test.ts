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
