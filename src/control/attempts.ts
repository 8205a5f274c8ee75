import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

/** One try at a partition that has ended. */
export interface PastAttempt {
  attempt: number;
  outcome: 'done' | 'skipped' | 'failed' | 'released' | 'cancelled' | 'lost';
  worker: string | null;
  host: string | null;
  rows_read: number;
  rows_written: number;
  rows_rejected: number;
  error_code: string | null;
  error: string | null;
  seconds: number | null;
  started_at: Date | null;
  ended_at: Date;
}

/** What was tried before, the latest first. */
export async function attemptsOf(db: ControlDb, partition: number, limit: number): Promise<PastAttempt[]> {
  const { rows } = await sql<PastAttempt>`
    select a.attempt, a.outcome, a.worker_id as worker, w.host, a.rows_read, a.rows_written, a.rows_rejected,
      a.error_code, a.error, a.started_at, a.ended_at,
      round(extract(epoch from a.ended_at - a.started_at), 3)::float8 as seconds
    from drayage.attempts a left join drayage.workers w on w.id = a.worker_id
    where a.partition_id = ${partition} order by a.attempt desc limit ${limit}`.execute(db);
  return rows;
}
