import { sql } from 'kysely';
import { ENDED, PARTITION_STEPS, RUN_STEPS, type RunState, statesBefore } from '../model/state.ts';
import type { ControlDb } from './db.ts';

/** A run whose first partitions mostly fail is not worth going on with. */
const GUARDED = 50;
/** Partitions that are cancelled in one transaction. */
const CANCELLED_AT_ONCE = 10_000;

/**
 * Pauses a run of whose first fifty partitions more than half have failed, unless somebody has resumed it before.
 * @returns whether it was
 */
export async function guardRun(db: ControlDb, run: number): Promise<boolean> {
  const paused = await db
    .updateTable('drayage.runs')
    .set({
      state: 'paused',
      draining: true,
      reason: sql`partitions_failed || ' of the first ' || partitions_failed + partitions_done || ' partitions failed'`,
    })
    .where('id', '=', run)
    .where('guarded', '=', true)
    .where('state', 'in', statesBefore(RUN_STEPS, 'paused'))
    .where('partitions_failed', '>', GUARDED / 2)
    .where(sql<boolean>`partitions_failed + partitions_done <= ${GUARDED}`)
    .executeTakeFirst();
  return paused.numUpdatedRows > 0n;
}

/** @param draining whether what is under way may end @returns whether the run could be paused */
export async function pauseRun(db: ControlDb, run: number, reason: string, draining: boolean): Promise<boolean> {
  const paused = await db
    .updateTable('drayage.runs')
    .set({ state: 'paused', reason, draining })
    .where('id', '=', run)
    .where('state', 'in', statesBefore(RUN_STEPS, 'paused'))
    .executeTakeFirst();
  return paused.numUpdatedRows > 0n;
}

/** Lets a paused run go on, also when it was paused for its failures. @returns whether it was paused */
export async function resumeRun(db: ControlDb, run: number): Promise<boolean> {
  const resumed = await db
    .updateTable('drayage.runs')
    .set({ state: 'running', reason: null, draining: false, guarded: false })
    .where('id', '=', run)
    .where('state', '=', 'paused')
    .executeTakeFirst();
  return resumed.numUpdatedRows > 0n;
}

/**
 * Cancels a run: nothing of it can commit any more. Its partitions follow with `cancelPartitions` in transactions of
 * their own: who settles one locks it before the run, and would be in the way of one that does both the other way round.
 * @returns its round, or undefined when it can no longer be cancelled
 */
export async function cancelRun(db: ControlDb, run: number): Promise<number | undefined> {
  const cancelled = await db
    .updateTable('drayage.runs')
    .set({ state: 'cancelled', reason: null, phase: null, finished_at: sql`clock_timestamp()` })
    .where('id', '=', run)
    .where('state', 'in', statesBefore(RUN_STEPS, 'cancelled'))
    .returning('round')
    .executeTakeFirst();
  return cancelled?.round;
}

/**
 * Cancels what waits of a cancelled run, and takes what is under way from its workers. A claim that was made at the same
 * moment has locked its partition, is waited for, and cancelled as well.
 */
export async function cancelPartitions(db: ControlDb, run: number): Promise<void> {
  const states = statesBefore(PARTITION_STEPS, 'cancelled');
  // Once more, since one may be claimed or given back while the others are looked at.
  for (let found = true; found; ) {
    found = false;
    for (const state of states) if (await cancelThose(db, run, state)) found = true;
  }
}

/** In the order of an index, from where the last transaction left off. @returns whether there were any */
async function cancelThose(db: ControlDb, run: number, state: string): Promise<boolean> {
  for (let last = 0; ; ) {
    const { rows } = await sql<{ most: number | null }>`
      with open as (
        select id from drayage.partitions where run_id = ${run} and state = ${state} and id > ${last}
        order by id limit ${CANCELLED_AT_ONCE} for no key update
      ), cancelled as (
        update drayage.partitions p set state = 'cancelled', finished_at = clock_timestamp()
        from open where p.id = open.id returning p.id
      )
      select max(id) as most from cancelled`.execute(db);
    const { most } = rows[0]!;
    if (most === null) return last > 0;
    last = most;
  }
}

export interface RunSettings {
  priority?: number;
  max_concurrency?: number | null;
  max_rows_per_second?: number | null;
}

/** Changes how a run is carried out. @returns whether there is such a run that has not ended */
export async function setRun(db: ControlDb, run: number, settings: RunSettings): Promise<boolean> {
  const changed = await db
    .updateTable('drayage.runs')
    .set(settings)
    .where('id', '=', run)
    .where('state', 'not in', [...ENDED] as RunState[])
    .executeTakeFirst();
  return changed.numUpdatedRows > 0n;
}

/**
 * Makes failed partitions wait for a worker again, with all their attempts before them.
 * @param key undefined for all of the run
 */
export async function reviveFailed(
  db: ControlDb,
  run: number,
  key: string | undefined,
): Promise<{ id: number; attempt: number }[]> {
  return db
    .updateTable('drayage.partitions')
    .set({ state: 'pending', failures: 0, error: null, error_code: null, finished_at: null, worker_id: null })
    .where('run_id', '=', run)
    .where('state', '=', 'failed')
    .$if(key !== undefined, (query) => query.where('key', '=', key!))
    .returning(['id', 'attempt'])
    .execute();
}

/** Takes a run up again for its revived partitions; from now on the definition as it is now counts. */
export async function reopenRun(db: ControlDb, run: number, jobVersion: string): Promise<void> {
  await db
    .updateTable('drayage.runs')
    .set({
      state: sql`case when state = 'failed' then 'running' else state end`,
      round: sql`case when state = 'failed' then round + 1 else round end`,
      error: null,
      finished_at: null,
      job_version: jobVersion,
    })
    .where('id', '=', run)
    .execute();
}
