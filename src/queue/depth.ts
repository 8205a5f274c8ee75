import type pg from 'pg';
import { QUEUES } from './boss.ts';

/** Jobs whose workers died on every attempt, and that no worker has taken up yet; 0 before the queue is installed. */
export async function deadLetters(pool: pg.Pool): Promise<number> {
  const installed = await pool.query<{ there: boolean }>(`select to_regclass('pgboss.job') is not null as there`);
  if (!installed.rows[0]!.there) return 0;
  const { rows } = await pool.query<{ jobs: number }>(
    `select count(*) as jobs from pgboss.job where name = $1 and state < 'active'`,
    [QUEUES.deadLetter],
  );
  return rows[0]!.jobs;
}
