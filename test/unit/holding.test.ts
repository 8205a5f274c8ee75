import { expect, test } from 'vitest';
import type { Claimed } from '../../src/control/claims.ts';
import type { Held } from '../../src/control/watch.ts';
import { Holding } from '../../src/runs/worker/holding.ts';

const attempt = { id: 1, attempt: 1, pack: 'p' } as Claimed;
const held: Held = {
  id: 1,
  attempt: 1,
  run: 1,
  state: 'running',
  draining: false,
  loading: false,
  rowsPerSecond: null,
};

function holdingOne(): Holding {
  const holding = new Holding('queue', []);
  holding.begin([attempt], 1);
  return holding;
}

function heedFor(holding: Holding, seconds: number, answer: Held = held): void {
  for (let second = 0; second < seconds; second++) holding.heed(new Map([[1, answer]]), 1);
}

test('a connection that the server does not know of for ten seconds is given up', () => {
  const holding = holdingOne();
  holding.loads(true);
  heedFor(holding, 9);
  expect(holding.signal.aborted).toBe(false);
  heedFor(holding, 1);
  expect(holding.signal.reason).toMatchObject({ code: 'DATABASE_FAILED' });
});

test('none is missed between two loads', () => {
  const holding = holdingOne();
  holding.loads(true);
  heedFor(holding, 5, { ...held, loading: true });
  holding.loads(false);
  heedFor(holding, 30);
  expect(holding.signal.aborted).toBe(false);
});
