import type pg from 'pg';

/** Workers listen here. */
export const CHANNEL = 'drayage_work';

/** Part of the producer's transaction: workers hear of it when it commits. */
export async function ringBell(client: pg.ClientBase | pg.Pool): Promise<void> {
  await client.query(`select pg_notify('${CHANNEL}', '')`);
}
