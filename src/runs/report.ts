import type pg from 'pg';
import { coercionsOf, type RunCoercion } from '../control/coercions.ts';
import type { ControlDb } from '../control/db.ts';
import { type LakeSummary, lakeSummary } from '../control/lake.ts';
import { failedPartitions, warnedPartitions } from '../control/partitions.ts';
import { latestVerification, type VerificationSummary } from '../control/verifications.ts';
import type { RunProgress } from '../control/views.ts';
import { ENDED } from '../model/state.ts';

/** What `run --json` and `status RUN --json` print; part of the interface. */
export interface RunReport {
  run: number;
  job: string;
  state: string;
  /** Why the run is paused. */
  reason: string | null;
  /** While the run is finalizing: what is being done. */
  phase: string | null;
  partitions: Record<'total' | 'pending' | 'running' | 'done' | 'skipped' | 'failed' | 'cancelled', number>;
  rows: Record<'read' | 'written' | 'unchanged' | 'superseded' | 'rejected' | 'deleted', number>;
  /** Rows that lost something by the job's permission, by column. */
  coercions: RunCoercion[];
  bytes_read: number;
  seconds: number;
  rows_per_second: number;
  percent: number;
  eta_seconds: number | null;
  checksum: string | null;
  /** What `verify` found out last, if it was asked. */
  verification: VerificationSummary | null;
  /** What was missing or odd, and kept nothing from being loaded; of the first partitions that have any. */
  warnings: { partition: string; row: number | null; message: string }[];
  errors: { partition: string | null; code: string | null; message: string }[];
  /** What the run has published, when it has ended; null for a job that fills tables. */
  lake: LakeSummary | null;
}

/** How full a target is after a run. */
export interface TableCount {
  table: string;
  rows: number;
  /** False for a large table: then it is the estimate of the statistics. */
  exact: boolean;
}

/** Tables with more rows than this are not counted through. */
const COUNTED_ROWS = 5_000_000;

export async function countTable(pool: pg.Pool, table: string): Promise<TableCount> {
  const estimate = await pool.query<{ rows: number }>(
    'select reltuples::float8 as rows from pg_class where oid = to_regclass($1)',
    [table],
  );
  const estimated = estimate.rows[0]?.rows ?? 0;
  if (estimated > COUNTED_ROWS) return { table, rows: estimated, exact: false };
  const { rows } = await pool.query<{ count: number }>(`select count(*) from ${table}`);
  return { table, rows: rows[0]!.count, exact: true };
}

const ERRORS_SHOWN = 20;
/** Partitions whose warnings are shown; the view drayage.partition_progress has all. */
const WARNED_SHOWN = 20;

export async function reportRun(db: ControlDb, progress: RunProgress): Promise<RunReport> {
  const failed = progress.partitions_failed > 0 ? await failedPartitions(db, progress.run, ERRORS_SHOWN) : [];
  const errors: RunReport['errors'] = failed.map(({ key, error_code, error }) => ({
    partition: key,
    code: error_code,
    message: error ?? '',
  }));
  if (progress.error) errors.unshift({ partition: null, code: null, message: progress.error });
  const warned = await warnedPartitions(db, progress.run, WARNED_SHOWN);
  return {
    run: progress.run,
    job: progress.job,
    state: progress.state,
    reason: progress.reason,
    phase: progress.phase,
    partitions: {
      total: progress.partitions_total,
      pending: progress.partitions_pending,
      running: progress.partitions_running,
      done: progress.partitions_done,
      skipped: progress.partitions_skipped,
      failed: progress.partitions_failed,
      cancelled: progress.partitions_cancelled,
    },
    rows: {
      read: progress.rows_read,
      written: progress.rows_written,
      unchanged: progress.rows_unchanged,
      superseded: progress.rows_superseded,
      rejected: progress.rows_rejected,
      deleted: progress.rows_deleted,
    },
    coercions: await coercionsOf(db, progress.run),
    bytes_read: progress.bytes_read,
    seconds: progress.seconds ?? 0,
    rows_per_second: progress.rows_per_second,
    percent: progress.percent,
    eta_seconds: progress.eta_seconds,
    checksum: progress.checksum,
    verification: (await latestVerification(db, progress.run)) ?? null,
    warnings: warned.flatMap(({ key, warnings }) => warnings.map((warning) => ({ partition: key, ...warning }))),
    errors,
    lake: ENDED.some((ended) => ended === progress.state) ? await lakeSummary(db, progress.run) : null,
  };
}
