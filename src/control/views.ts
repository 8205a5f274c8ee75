import { sql } from 'kysely';
import type { RunState } from '../model/state.ts';
import type { ControlDb } from './db.ts';

/** A row of drayage.run_progress. */
export interface RunProgress {
  run: number;
  job: string;
  state: RunState;
  error: string | null;
  params: Record<string, unknown>;
  partitions_total: number;
  partitions_pending: number;
  partitions_running: number;
  partitions_done: number;
  partitions_skipped: number;
  partitions_failed: number;
  partitions_cancelled: number;
  percent: number;
  rows_planned: number;
  rows_read: number;
  rows_written: number;
  rows_unchanged: number;
  rows_superseded: number;
  rows_rejected: number;
  rows_deleted: number;
  bytes_planned: number;
  bytes_read: number;
  seconds: number | null;
  rows_per_second: number;
  eta_seconds: number | null;
  checksum: string | null;
  created_at: Date;
  /** What the end of the run is busy with. */
  phase: string | null;
  /** Why the run is paused. */
  reason: string | null;
  priority: number;
  max_concurrency: number | null;
  max_rows_per_second: number | null;
}

export async function runProgress(db: ControlDb, id: number): Promise<RunProgress | undefined> {
  const { rows } = await sql<RunProgress>`select * from drayage.run_progress where run = ${id}`.execute(db);
  return rows[0];
}

/** The newest runs, newest first. */
export async function recentRuns(db: ControlDb, limit: number): Promise<RunProgress[]> {
  const { rows } = await sql<RunProgress>`
    select * from drayage.run_progress order by run desc limit ${limit}`.execute(db);
  return rows;
}

export interface WorkerStatus {
  worker: string;
  host: string;
  pid: number;
  state: string;
  partitions_running: number;
  /** Why it claims nothing although there is work. */
  held_back: string | null;
}

/** Workers that are there, or were until a moment ago. */
export async function presentWorkers(db: ControlDb): Promise<WorkerStatus[]> {
  const { rows } = await sql<WorkerStatus>`
    select worker, host, pid, state, partitions_running, held_back from drayage.worker_status
    where state in ('alive', 'draining')`.execute(db);
  return rows;
}
