import type { ClientBase, Pool } from 'pg';
import { PACK_PREFIX } from '../model/pack.ts';
import { brief, impatient } from '../postgres/pool.ts';

const nameOf = (pack: string) => PACK_PREFIX + pack;

/**
 * Ends the connections on which earlier attempts are still loading. A frozen worker would otherwise hold locks that this
 * attempt waits for, and could wake up in the middle of it.
 */
export async function endPacks(client: ClientBase | Pool, packs: readonly string[]): Promise<void> {
  if (packs.length === 0) return;
  await client.query(
    brief(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = any ($1) and datname = current_database() and pid <> pg_backend_pid()`,
      [packs.map(nameOf)],
    ),
  );
}

/** Names this transaction's connection, for the attempt that may have to end it. */
export async function namePack(client: ClientBase, pack: string): Promise<void> {
  await client.query(brief(`select set_config('application_name', $1, true)`, [nameOf(pack)]));
}

/** Whether the server knows of a connection with that name. */
export async function isPackThere(pool: Pool, pack: string): Promise<boolean> {
  const { rows } = await impatient(pool).query(
    'select from pg_stat_activity where application_name = $1 and datname = current_database()',
    [nameOf(pack)],
  );
  return rows.length > 0;
}

/**
 * Has the server find out within half a minute that the other end of this transaction's connection is gone: where the
 * failure of an attempt is recorded in another database, this one may be out of reach and not be told.
 */
export async function noticeDeath(client: ClientBase): Promise<void> {
  await client.query(
    'set local tcp_keepalives_idle = 10; set local tcp_keepalives_interval = 5; set local tcp_keepalives_count = 4',
  );
}

/**
 * From here on this transaction holds the row of its run, which everybody else needs to settle anything: should this
 * process freeze before the commit, the server ends it soon, rather than whoever takes the partition over. All workers
 * may be waiting for that row, and nobody be left to take anything over.
 */
export async function limitIdleness(client: ClientBase): Promise<void> {
  await client.query(`set local idle_in_transaction_session_timeout = '5s'`);
}
