import { type Selectable, sql } from 'kysely';
import type { LoadCounts, Warning } from '../model/sink.ts';
import type { PartitionPlan } from '../model/source.ts';
import { PARTITION_STEPS, statesBefore } from '../model/state.ts';
import { Checksum } from '../postgres/checksum.ts';
import type { ControlDb, ControlSchema } from './db.ts';

export type Partition = Selectable<ControlSchema['drayage.partitions']>;

export interface NewPartition extends Omit<PartitionPlan, 'problem'> {
  state: 'pending' | 'skipped' | 'failed';
  /** With `failed`: why. */
  error_code?: string;
  error?: string;
}

/**
 * Inserts planned partitions; those that the run has already are left alone.
 * @returns ids of the new ones that wait for a worker
 */
export async function insertPartitions(
  db: ControlDb,
  runId: number,
  plans: readonly NewPartition[],
): Promise<{ id: number; key: string }[]> {
  // One parameter for all rows: 5,000 rows of their own would go beyond the protocol's 65,535 parameters.
  const rows = JSON.stringify(plans.map(({ shape: _, ...plan }) => plan));
  const inserted = await sql<{ id: number; key: string; state: string }>`
    insert into drayage.partitions
      (run_id, key, fingerprint, spec, file, state, error_code, error, rows_planned, bytes_planned, finished_at)
    select ${runId}, key, fingerprint, spec, file, state, error_code, error, rows, bytes,
      case when state <> 'pending' then now() end
    from jsonb_to_recordset(${rows}::jsonb)
      as plan (key text, fingerprint text, spec jsonb, file text, state text,
        error_code text, error text, rows bigint, bytes bigint)
    on conflict (run_id, key) do nothing
    returning id, key, state`.execute(db);
  return inserted.rows.filter(({ state }) => state === 'pending');
}

/**
 * Takes a partition for a worker. The attempt that comes back is the fence: from now on no earlier one can commit.
 * @returns undefined when there is nothing left to do on it
 */
export function claimPartition(db: ControlDb, id: number, workerId: string): Promise<Partition | undefined> {
  return db
    .updateTable('drayage.partitions')
    .set({
      state: 'running',
      attempt: sql`attempt + 1`,
      worker_id: workerId,
      started_at: sql`clock_timestamp()`,
      finished_at: null,
    })
    .where('id', '=', id)
    .where('state', 'in', statesBefore(PARTITION_STEPS, 'running'))
    .returningAll()
    .executeTakeFirst();
}

/** Names one attempt; every statement about it is fenced by it. */
export interface AttemptKey {
  id: number;
  attempt: number;
}

/** Whether the attempt still holds the partition. */
export async function holdsPartition(db: ControlDb, { id, attempt }: AttemptKey): Promise<boolean> {
  const found = await db
    .selectFrom('drayage.partitions')
    .select('id')
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return found !== undefined;
}

/** @returns false when the attempt no longer holds the partition: then nothing of it may be committed */
export async function settlePartition(db: ControlDb, key: AttemptKey, settled: Settled): Promise<boolean> {
  const updated = await db
    .updateTable('drayage.partitions')
    .set({ ...columnsOf(settled) })
    .where('id', '=', key.id)
    .where('attempt', '=', key.attempt)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

export type Settled =
  | { state: 'done'; outcome: LoadCounts & { checksum: string; warnings: readonly Warning[] } }
  | { state: 'skipped' }
  | { state: 'failed' | 'pending'; code: string; error: string }
  /** Given back by a worker that was asked to stop: no failure. */
  | { state: 'released' };

function columnsOf(settled: Settled) {
  const finished_at = sql<Date>`clock_timestamp()`;
  switch (settled.state) {
    case 'done': {
      const { read, written, unchanged, superseded, rejected, checksum, warnings } = settled.outcome;
      return {
        state: 'done',
        rows_read: read,
        rows_written: written,
        rows_unchanged: unchanged,
        rows_superseded: superseded,
        rows_rejected: rejected,
        checksum,
        warnings: warningsJson(warnings),
        error: null,
        error_code: null,
        finished_at,
      };
    }
    case 'skipped':
      return { state: 'skipped', finished_at };
    case 'released':
      return { state: 'pending', worker_id: null };
    default: {
      const { state, code, error } = settled;
      const failures = sql<number>`failures + 1`;
      return { state, error_code: code, error, failures, ...(state === 'failed' ? { finished_at } : {}) };
    }
  }
}

/** As jsonb takes it: it has no NUL, and no half of a surrogate pair. */
function warningsJson(warnings: readonly Warning[]): string {
  const clean = (text: string) => text.toWellFormed().replaceAll('\0', '\ufffd');
  return JSON.stringify(warnings.map(({ row, message }) => ({ row, message: clean(message) })));
}

/** Partitions of a run that have warnings. */
export async function warnedPartitions(
  db: ControlDb,
  runId: number,
  limit: number,
): Promise<{ key: string; warnings: Warning[] }[]> {
  const found = await db
    .selectFrom('drayage.partitions')
    .select(['key', 'warnings'])
    .where('run_id', '=', runId)
    .where(sql<boolean>`warnings <> '[]'`)
    .orderBy('id')
    .limit(limit)
    .execute();
  return found.map(({ key, warnings }) => ({ key, warnings: warnings as unknown as Warning[] }));
}

/** Gives up a partition whose workers died on every attempt. @returns its key, or undefined when it is settled */
export function abandonPartition(
  db: ControlDb,
  id: number,
  error: string,
): Promise<{ key: string; attempt: number; run_id: number } | undefined> {
  return db
    .updateTable('drayage.partitions')
    .set({ state: 'failed', error_code: 'CLAIM_LOST', error, finished_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .where('state', 'in', statesBefore(PARTITION_STEPS, 'failed'))
    .returning(['key', 'attempt', 'run_id'])
    .executeTakeFirst();
}

/** Takes back what no worker has begun; the queue's jobs find nothing to do then. */
export async function cancelPending(db: ControlDb, runId: number): Promise<void> {
  await db
    .updateTable('drayage.partitions')
    .set({ state: 'cancelled', finished_at: sql`clock_timestamp()` })
    .where('run_id', '=', runId)
    .where('state', '=', 'pending')
    .execute();
}

/** The failed partitions of a run, for a summary. */
export function failedPartitions(db: ControlDb, runId: number, limit: number): Promise<Partition[]> {
  return db
    .selectFrom('drayage.partitions')
    .selectAll()
    .where('run_id', '=', runId)
    .where('state', '=', 'failed')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Checksums of all partitions that a run loaded. */
export async function checksumsOf(db: ControlDb, runId: number): Promise<string[]> {
  const rows = await db
    .selectFrom('drayage.partitions')
    .select('checksum')
    .where('run_id', '=', runId)
    .where('checksum', 'is not', null)
    .execute();
  return rows.map(({ checksum }) => checksum!);
}

/** A settled partition, which nobody else can change in the meantime. */
export function lockPartition(db: ControlDb, id: number): Promise<Partition> {
  return db.selectFrom('drayage.partitions').selectAll().where('id', '=', id).forUpdate().executeTakeFirstOrThrow();
}

/** Adds what became of rows that were rejected before. @param replayed how many they were */
export async function addOutcome(
  db: ControlDb,
  partition: Partition,
  { read, written, unchanged, superseded, rejected, checksum }: LoadCounts & { checksum: string },
  replayed: number,
): Promise<void> {
  const sum = new Checksum();
  for (const part of [partition.checksum, checksum]) if (part) sum.addSum(part);
  await db
    .updateTable('drayage.partitions')
    .set({
      rows_read: partition.rows_read - replayed + read,
      rows_written: partition.rows_written + written,
      rows_unchanged: partition.rows_unchanged + unchanged,
      rows_superseded: partition.rows_superseded + superseded,
      rows_rejected: partition.rows_rejected - replayed + rejected,
      checksum: sum.toString(),
    })
    .where('id', '=', partition.id)
    .execute();
}

/** The keys of some partitions, by their ids. */
export async function partitionKeys(db: ControlDb, ids: readonly number[]): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom('drayage.partitions').select(['id', 'key']).where('id', 'in', ids).execute();
  return new Map(rows.map(({ id, key }) => [id, key]));
}
