import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namePack } from '../../src/ledger/backends.ts';
import { PackWatch } from '../../src/runs/pack-watch.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test('a connection that the server has lost is given up, and one that it knows of is not', async () => {
  const client = await database.pool.connect();
  client.on('error', () => undefined);
  await client.query('begin');
  await namePack(client, 'watched');
  const { rows } = await client.query('select pg_backend_pid() as pid');
  const watch = new PackWatch(database.pool, 'watched', 20);
  watch.start();
  await database.pool.query('select pg_sleep(0.5)');
  expect(watch.lost.aborted).toBe(false);
  const lost = once(watch.lost, 'abort');
  await database.pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
  await lost;
  expect(watch.lost.reason).toMatchObject({ code: 'DATABASE_FAILED' });
  client.release(true);
});

test('a watch that was stopped says nothing', async () => {
  const watch = new PackWatch(database.pool, 'nobody', 5);
  watch.start();
  watch.stop();
  await database.pool.query('select pg_sleep(0.2)');
  expect(watch.lost.aborted).toBe(false);
});
