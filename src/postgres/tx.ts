import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { databaseError } from './errors.ts';
import { brief } from './pool.ts';

/**
 * Runs `work` in one transaction on a connection of its own. A connection on which anything failed is not used again.
 * @param signal cuts the connection, and so rolls back whatever statement it is waiting for
 * @throws what `work` threw, or the classified error of the commit
 */
export async function transaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const begun = async (client: pg.PoolClient) => {
    // A connection may have died while it lay idle, without a word.
    await client.query(brief('begin'));
    const result = await work(client);
    const { command } = await client.query('commit');
    // What the server answers when a statement had failed, whoever has ignored that.
    if (command === 'ROLLBACK') throw new DrayageError('INTERNAL', 'The transaction was rolled back, not committed');
    return result;
  };
  return onConnection(pool, begun, signal);
}

/**
 * Runs `work` on a connection of its own, outside of a transaction. What the session has set or locked ends with it; the
 * connection goes on, so that the next run's claims need no new one.
 * @param signal cuts the connection; the server still ends the statement that is under way
 * @throws what `work` threw
 */
export async function session<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const discarded = async (client: pg.PoolClient) => {
    const result = await work(client);
    await client.query(brief('discard all'));
    return result;
  };
  return onConnection(pool, discarded, signal);
}

async function onConnection<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  signal?.throwIfAborted();
  const client = await pool.connect().catch((error) => {
    throw databaseError(error);
  });
  if (signal?.aborted) {
    client.release();
    throw signal.reason;
  }
  const cut = () => (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
  signal?.addEventListener('abort', cut, { once: true });
  try {
    const result = await work(client);
    client.release();
    return result;
  } catch (error) {
    // Closing the connection rolls back, also when the server is no longer listening to us.
    client.release(true);
    throw signal?.aborted ? signal.reason : databaseError(error);
  } finally {
    signal?.removeEventListener('abort', cut);
  }
}
