import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEvents } from '../../src/base/events.ts';
import { CHANNEL } from '../../src/queue/wake.ts';
import { Heart } from '../../src/runs/worker/heart.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test('a thread that dies is replaced, and goes on with the latest orders', async () => {
  await database.pool.query('create table beats (place int)');
  const said: unknown[] = [];
  let rung = false;
  const events = createEvents();
  events.on('queueError', ({ error }) => said.push(error));
  const heart = new Heart(database.url, events, {
    rung: () => {
      rung = true;
    },
    watched: () => undefined,
  });
  // More than it may hold.
  const values = Array.from({ length: 3_000_000 }, (_, index) => ({ index }));
  heart.order({ beats: [{ text: 'select 1', values }], watch: undefined });
  heart.order({ beats: [{ text: 'insert into beats values ($1)', values: [2] }], watch: undefined });
  const beats = async () => (await database.pool.query('select from beats')).rowCount;
  await expect.poll(beats, { timeout: 20_000 }).toBeGreaterThan(0);
  expect(String(said[0])).toMatch(/Heartbeat: Worker terminated due to reaching memory limit/);
  await database.pool.query(`notify ${CHANNEL}`);
  await expect.poll(() => rung).toBe(true);
  await heart.stop();
}, 40_000);
