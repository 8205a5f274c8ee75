import { expect, inject, test, vi } from 'vitest';
import { createPool } from '../../src/postgres/pool.ts';
import { transaction } from '../../src/postgres/tx.ts';

test('a transaction in which a failure was ignored is not taken for committed', async () => {
  const pool = createPool(inject('postgresUrl'), { max: 1, applicationName: 'test' });
  const ignoring = transaction(pool, (client) => client.query('select 1/0').catch(() => 'ignored'));
  await expect(ignoring).rejects.toMatchObject({ code: 'INTERNAL' });
  await pool.end();
});

test('a transaction that was called off while it waited for a connection does nothing', async () => {
  const pool = createPool(inject('postgresUrl'), { max: 1, applicationName: 'test' });
  const only = await pool.connect();
  const off = new AbortController();
  const work = vi.fn();
  const waiting = transaction(pool, work, off.signal);
  off.abort(new Error('called off'));
  only.release();
  await expect(waiting).rejects.toThrow('called off');
  expect(work).not.toHaveBeenCalled();
  // The connection is there for the next one.
  await transaction(pool, (client) => client.query('select 1'));
  await pool.end();
});
