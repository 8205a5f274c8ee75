import { type Selectable, sql } from 'kysely';
import type { LoadCounts, Warning } from '../model/sink.ts';
import { PARTITION_STEPS, statesBefore } from '../model/state.ts';
import type { ControlDb, ControlSchema } from './db.ts';

export type Partition = Selectable<ControlSchema['drayage.partitions']>;

/** Names one attempt; every statement about it is fenced by it. */
export interface AttemptKey {
  id: number;
  attempt: number;
}

/** A partition that has been taken for an attempt. */
export interface Claimed extends Partition {
  /** The pack of an attempt before that may still be loading it. */
  lost_pack: string | null;
}

export interface ClaimRequest {
  run: number;
  partitions: readonly number[];
  worker: string;
  /** Name of the transaction in which they are going to be loaded. */
  pack: string;
}

/**
 * Takes partitions of one run for a worker. The attempts that come back are the fence: from now on no earlier one can
 * commit. Those that are settled, and all of a run that does not go on, are left out. A lost attempt may still refer to
 * its partition from rejects that it has not committed: that must not keep others waiting, so the key is not locked.
 */
export async function claimPartitions(
  db: ControlDb,
  { run, partitions, worker, pack }: ClaimRequest,
): Promise<Claimed[]> {
  const { rows } = await sql<Claimed>`
    with free as (
      select p.id, p.pack, p.state from drayage.partitions p join drayage.runs r on r.id = p.run_id
      where p.id = any (${partitions}) and r.id = ${run} and r.state in ('planning', 'queued', 'running')
        and p.state = any (${statesBefore(PARTITION_STEPS, 'running')})
      order by p.id
      for no key update of p
    )
    update drayage.partitions p
    set state = 'running', attempt = p.attempt + 1, worker_id = ${worker}, pack = ${pack},
      started_at = clock_timestamp(), finished_at = null
    from free where p.id = free.id
    returning p.*, case when free.state = 'running' then free.pack end as lost_pack`.execute(db);
  return rows.sort((one, other) => one.id - other.id);
}

/** Of these partitions, the ones that some worker may still have to load. */
export async function unsettled(db: ControlDb, partitions: readonly number[]): Promise<Set<number>> {
  const { rows } = await sql<{ id: number }>`
    select p.id from drayage.partitions p join drayage.runs r on r.id = p.run_id
    where p.id = any (${partitions}) and p.state in ('pending', 'running') and r.state <> 'cancelled'`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** Whether the attempts still hold their partitions, all of them; those of a cancelled run do not. */
export async function holdAll(db: ControlDb, keys: readonly AttemptKey[]): Promise<boolean> {
  const { rows } = await sql<{ held: number }>`
    select count(*)::int as held from drayage.partitions p
    join jsonb_to_recordset(${JSON.stringify(keys.map(keyOf))}::jsonb) as k (id bigint, attempt int) using (id, attempt)
    join drayage.runs r on r.id = p.run_id
    where p.state = 'running' and r.state <> 'cancelled'`.execute(db);
  return rows[0]!.held === keys.length;
}

/** How a pack's run stands, for the one that has just settled some of its partitions and so holds the run's row. */
export async function isCancelled(db: ControlDb, run: number): Promise<boolean> {
  const found = await db.selectFrom('drayage.runs').select('state').where('id', '=', run).executeTakeFirst();
  return found?.state === 'cancelled';
}

export interface Loaded extends AttemptKey {
  /** Undefined when the content was in the tables already. */
  outcome: (LoadCounts & { checksum: string; warnings: readonly Warning[] }) | undefined;
}

/** @returns how many of the attempts still held their partitions: unless all, nothing of them may be committed */
export async function settleLoaded(db: ControlDb, loaded: readonly Loaded[]): Promise<number> {
  const rows = loaded.map(({ outcome, ...key }) => {
    if (!outcome) return { ...keyOf(key), state: 'skipped' };
    const { read, written, unchanged, superseded, rejected, checksum, warnings } = outcome;
    return { ...keyOf(key), state: 'done', read, written, unchanged, superseded, rejected, checksum, warnings };
  });
  const updated = await sql`
    update drayage.partitions p
    set state = s.state, finished_at = clock_timestamp(), error = null, error_code = null,
      rows_read = coalesce(s.read, 0), rows_written = coalesce(s.written, 0), rows_unchanged = coalesce(s.unchanged, 0),
      rows_superseded = coalesce(s.superseded, 0), rows_rejected = coalesce(s.rejected, 0), checksum = s.checksum,
      warnings = coalesce(s.warnings, '[]')
    from jsonb_to_recordset(${jsonText(rows)}::jsonb) as s (id bigint, attempt int, state text, read bigint,
      written bigint, unchanged bigint, superseded bigint, rejected bigint, checksum text, warnings jsonb)
    where p.id = s.id and p.attempt = s.attempt and p.state = 'running'`.execute(db);
  return Number(updated.numAffectedRows);
}

/** Settles an attempt that has not loaded anything. @returns false when it no longer held the partition */
export async function settleUnloaded(db: ControlDb, key: AttemptKey, settled: Unloaded): Promise<boolean> {
  const updated = await db
    .updateTable('drayage.partitions')
    .set(columnsOf(settled))
    .where('id', '=', key.id)
    .where('attempt', '=', key.attempt)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

export type Unloaded =
  | { state: 'failed' | 'pending'; code: string; error: string }
  /** Given back by a worker that was asked to stop, or whose run was paused: no failure. */
  | { state: 'released' };

function columnsOf(settled: Unloaded) {
  if (settled.state === 'released') return { state: 'pending', worker_id: null };
  const { state, code, error } = settled;
  const ended = state === 'failed' ? { finished_at: sql<Date>`clock_timestamp()` } : {};
  return { state, error_code: code, error, failures: sql<number>`failures + 1`, ...ended };
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

const keyOf = ({ id, attempt }: AttemptKey) => ({ id, attempt });

/** As jsonb takes it: it has no NUL, and no half of a surrogate pair. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    typeof part === 'string' ? part.toWellFormed().replaceAll('\0', '\ufffd') : part,
  );
}
