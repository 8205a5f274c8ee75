import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

/** A row of drayage.job_summary. */
export interface JobSummary {
  job: string;
  runs: number;
  runs_open: number;
  runs_finalizing: number;
  runs_succeeded: number;
  runs_with_rejects: number;
  runs_failed: number;
  partitions_pending: number;
  partitions_running: number;
  partitions_done: number;
  partitions_skipped: number;
  partitions_failed: number;
  partitions_cancelled: number;
  rows_read: number;
  rows_written: number;
  rows_unchanged: number;
  rows_superseded: number;
  rows_rejected: number;
  rows_deleted: number;
  bytes_read: number;
  last_state: string;
  last_finished_at: Date | null;
  last_success_at: Date | null;
}

/** A row of drayage.partition_duration_buckets. */
export interface DurationBucket {
  job: string;
  state: string;
  /** Upper bound in seconds; Infinity for the last. */
  le: number;
  /** Partitions in this bucket alone. */
  partitions: number;
  seconds: number;
}

export interface Metrics {
  jobs: JobSummary[];
  durations: DurationBucket[];
  workers: { state: string; workers: number }[];
}

/** Everything that is measured, without looking at a single partition. */
export async function readMetrics(db: ControlDb): Promise<Metrics> {
  const [jobs, durations, workers] = await Promise.all([
    sql<JobSummary>`select * from drayage.job_summary`.execute(db),
    sql<DurationBucket>`select * from drayage.partition_duration_buckets`.execute(db),
    sql<Metrics['workers'][number]>`
      select state, count(*) as workers from drayage.worker_status group by state`.execute(db),
  ]);
  return { jobs: jobs.rows, durations: durations.rows, workers: workers.rows };
}
