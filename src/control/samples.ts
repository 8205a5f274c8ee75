import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

/** A row of drayage.run_throughput. */
export interface Sample {
  time: Date;
  /** Since the run was started. */
  seconds: number;
  partitions_pending: number;
  partitions_running: number;
  partitions_done: number;
  partitions_skipped: number;
  partitions_failed: number;
  partitions_cancelled: number;
  rows_read: number;
  rows_written: number;
  rows_rejected: number;
  bytes_read: number;
  /** Since the sample before; null for the first. */
  rows_per_second: number | null;
}

/** How a run went from moment to moment, in a few hundred samples. */
export async function samplesOf(db: ControlDb, run: number): Promise<Sample[]> {
  const { rows } = await sql<Sample>`
    select time, seconds, partitions_pending, partitions_running, partitions_done, partitions_skipped, partitions_failed,
      partitions_cancelled, rows_read, rows_written, rows_rejected, bytes_read, rows_per_second
    from drayage.run_throughput where run = ${run} order by time`.execute(db);
  return rows;
}
