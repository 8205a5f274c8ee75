import { sql } from 'kysely';
import type { LoadCounts, Warning } from '../model/sink.ts';
import type { PartitionPlan } from '../model/source.ts';
import { Checksum } from '../postgres/checksum.ts';
import type { Partition } from './claims.ts';
import type { ControlDb } from './db.ts';

export interface NewPartition extends Omit<PartitionPlan, 'problem'> {
  state: 'pending' | 'skipped' | 'failed';
  /** With `failed`: why. */
  error_code?: string;
  error?: string;
}

/**
 * Inserts planned partitions; those that the run has already are left alone. They are left out, and not left to the
 * conflict alone, since that would wait for a worker which settles one and itself waits for the run.
 * @returns the new ones that wait for a worker
 */
export async function insertPartitions(
  db: ControlDb,
  runId: number,
  plans: readonly NewPartition[],
): Promise<{ id: number; attempt: number }[]> {
  // One parameter for all rows: 5,000 rows of their own would go beyond the protocol's 65,535 parameters.
  const rows = JSON.stringify(plans.map(({ shape: _, ...plan }) => plan));
  const inserted = await sql<{ id: number; attempt: number; state: string }>`
    insert into drayage.partitions
      (run_id, key, fingerprint, spec, file, state, error_code, error, rows_planned, bytes_planned, finished_at)
    select ${runId}, key, fingerprint, spec, file, state, error_code, error, rows, bytes,
      case when state <> 'pending' then now() end
    from rows from (jsonb_to_recordset(${rows}::jsonb)
      as (key text, fingerprint text, spec jsonb, file text, state text,
        error_code text, error text, rows bigint, bytes bigint)) with ordinality
      as plan (key, fingerprint, spec, file, state, error_code, error, rows, bytes, place)
    where not exists (select from drayage.partitions p where p.run_id = ${runId} and p.key = plan.key)
    order by place
    on conflict (run_id, key) do nothing
    returning id, attempt, state`.execute(db);
  return inserted.rows.filter(({ state }) => state === 'pending');
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

/**
 * Keys of partitions of a run that are planned otherwise now. Where content has no versions, it is what is read that counts.
 * @param known how many of the plans, in their order, are of partitions that the run has had
 */
export async function replannedPartitions(
  db: ControlDb,
  runId: number,
  plans: readonly Pick<PartitionPlan, 'key' | 'fingerprint' | 'unversioned' | 'spec'>[],
  known: number,
): Promise<string[]> {
  const rows = JSON.stringify(
    plans.map(({ key, fingerprint, unversioned = false, spec }, index) => {
      return { key, fingerprint, unversioned, spec, known: index < known };
    }),
  );
  const found = await sql<{ key: string }>`
    select plan.key
    from jsonb_to_recordset(${rows}::jsonb)
      as plan (key text, fingerprint text, unversioned boolean, spec jsonb, known boolean)
    left join drayage.partitions p on p.run_id = ${runId} and p.key = plan.key
    where case when p.id is null then plan.known when plan.unversioned then p.spec - 'snapshot' <> plan.spec
      else p.fingerprint <> plan.fingerprint end order by p.id`.execute(db);
  return found.rows.map(({ key }) => key);
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

/** Of these partitions, the ones that are done. */
export async function donePartitions(db: ControlDb, ids: readonly number[]): Promise<number[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('drayage.partitions')
    .select('id')
    .where('id', 'in', ids)
    .where('state', '=', 'done')
    .execute();
  return rows.map(({ id }) => id);
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
