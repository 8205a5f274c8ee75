import { expect, inject, test, vi } from 'vitest';
import { createPool } from '../../src/postgres/pool.ts';
import { session, transaction } from '../../src/postgres/tx.ts';

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

test('what a session has set, locked or made ends with it, and its connection goes on', async () => {
  const pool = createPool(inject('postgresUrl'), { max: 1, applicationName: 'test' });
  const pid = () => pool.query('select pg_backend_pid() as pid').then(({ rows }) => rows[0].pid);
  const before = await pid();
  await session(pool, async (client) => {
    await client.query(`set search_path = pg_catalog`);
    await client.query('select pg_advisory_lock(4711)');
    await client.query('create temporary table left_over ()');
  });
  expect(await pid()).toBe(before);
  const { rows } = await pool.query(
    `select current_setting('search_path') as path, to_regclass('pg_temp.left_over') as made,
       (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`,
  );
  expect(rows).toEqual([{ path: '"$user", public', made: null, locks: 0 }]);
  await pool.end();
});
