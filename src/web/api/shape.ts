import { maskParams } from '../../base/secrets.ts';
import type { PartitionProgress } from '../../control/partition-list.ts';
import type { listRejectPage } from '../../control/rejects.ts';
import type { ListedRun } from '../../control/run-list.ts';

/** Rows of the control schema as the documents of the API have them. */

export function shapeRun(run: ListedRun) {
  return {
    run: run.run,
    job: run.job,
    state: run.state,
    phase: run.phase,
    reason: run.reason,
    settings: {
      priority: run.priority,
      max_concurrency: run.max_concurrency,
      max_rows_per_second: run.max_rows_per_second,
    },
    error: run.error,
    params: maskParams(run.params),
    percent: run.percent,
    partitions: {
      total: run.partitions_total,
      pending: run.partitions_pending,
      running: run.partitions_running,
      done: run.partitions_done,
      skipped: run.partitions_skipped,
      failed: run.partitions_failed,
      cancelled: run.partitions_cancelled,
    },
    rows: {
      planned: run.rows_planned,
      read: run.rows_read,
      written: run.rows_written,
      unchanged: run.rows_unchanged,
      superseded: run.rows_superseded,
      rejected: run.rows_rejected,
      deleted: run.rows_deleted,
    },
    bytes: { planned: run.bytes_planned, read: run.bytes_read },
    seconds: run.seconds,
    rows_per_second: run.rows_per_second,
    eta_seconds: run.eta_seconds,
    checksum: run.checksum,
    verified: run.verified,
    verified_at: run.verified_at,
    created_at: run.created_at,
    started_at: run.started_at,
    finished_at: run.finished_at,
  };
}

export function shapePartition(one: PartitionProgress) {
  const { file, state, attempt, failures, worker, bytes_planned, checksum, error_code, error, warnings } = one;
  return {
    id: one.partition_id,
    run: one.run,
    key: one.partition,
    file,
    state,
    attempt,
    failures,
    worker,
    rows: {
      planned: one.rows_planned,
      read: one.rows_read,
      written: one.rows_written,
      unchanged: one.rows_unchanged,
      superseded: one.rows_superseded,
      rejected: one.rows_rejected,
    },
    bytes_planned,
    checksum,
    error_code,
    error,
    warnings,
    seconds: one.seconds,
    started_at: one.started_at,
    finished_at: one.finished_at,
  };
}

export function shapeReject(one: Awaited<ReturnType<typeof listRejectPage>>[number]) {
  const { id, partition_id, partition, file, table, row, column, reason, message, raw, rejected_at } = one;
  return { id, partition_id, partition, file, table, row, column, reason, message, raw, rejected_at };
}
