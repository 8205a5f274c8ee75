import { expect, test } from 'vitest';
import { HeldValues, Share } from '../../src/duckdb/held.ts';

const { signal } = new AbortController();
const PATIENT_MS = 60_000;

test('one that holds more than there should be is read on when nobody else holds anything', async () => {
  const share = new Share(new HeldValues(), PATIENT_MS);
  share.add(100e6);
  await share.room(signal);
});

test('one waits for what others hold, until enough of it has been sent', async () => {
  const held = new HeldValues();
  const [first, second] = [new Share(held, PATIENT_MS), new Share(held, PATIENT_MS)];
  first.add(40e6);
  second.add(20e6);
  const went: string[] = [];
  const room = second.room(signal).then(() => went.push('read on'));
  for (const part of ['a fifth', 'another']) {
    first.free(8e6);
    went.push(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await room;
  expect(went).toEqual(['a fifth', 'another', 'read on']);
  first.free();
  second.free();
  expect(held.bytes).toBe(0);
});

test('nobody waits for ever, since who holds the rest may wait for him, and only once', async () => {
  const held = new HeldValues();
  const [first, second] = [new Share(held, PATIENT_MS), new Share(held, 10)];
  first.add(50e6);
  await second.room(signal);
  let waits = true;
  const again = second.room(signal).then(() => {
    waits = false;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(waits).toBe(false);
  await again;
});

test('a signal ends the waiting', async () => {
  const held = new HeldValues();
  new Share(held, PATIENT_MS).add(50e6);
  await new Share(held, PATIENT_MS).room(AbortSignal.abort());
});
