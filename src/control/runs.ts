import { type Selectable, sql } from 'kysely';
import { RUN_STEPS, type RunState, statesBefore } from '../model/state.ts';
import type { ControlDb, ControlSchema } from './db.ts';

export type Run = Selectable<ControlSchema['drayage.runs']>;

export interface NewRun {
  job: string;
  job_path: string;
  job_version: string;
  params: Record<string, unknown>;
  forced: boolean;
  retries: number;
  max_rejects: string | null;
  /** As the job names them. */
  tables: string[];
  priority: number;
  max_concurrency: number | null;
  /** The target database, when it is apart. */
  target: string | null;
}

export async function createRun(db: ControlDb, run: NewRun): Promise<number> {
  const { id } = await db
    .insertInto('drayage.runs')
    .values({ ...run, params: JSON.stringify(run.params) })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

export function findRun(db: ControlDb, id: number): Promise<Run | undefined> {
  return db.selectFrom('drayage.runs').selectAll().where('id', '=', id).executeTakeFirst();
}

/** As `findRun`; nobody else can change it before the caller's transaction ends. Loads that refer to it go on. */
export function lockRun(db: ControlDb, id: number): Promise<Run | undefined> {
  return db.selectFrom('drayage.runs').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst();
}

/** Runs that failed, among those that fill one of these tables. */
export async function failedRuns(db: ControlDb, tables: readonly string[]): Promise<number[]> {
  const found = await db
    .selectFrom('drayage.runs')
    .select('id')
    .where('state', '=', 'failed')
    .where(sql<boolean>`tables && ${tables}::text[]`)
    .execute();
  return found.map(({ id }) => id);
}

/** The newest run, of one job or of all. */
export function latestRun(db: ControlDb, job?: string): Promise<Run | undefined> {
  return db
    .selectFrom('drayage.runs')
    .selectAll()
    .$if(job !== undefined, (query) => query.where('job', '=', job!))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/**
 * Takes a run to another state, if the step is a legal one.
 * @returns false when it was in no state from which that can be reached
 */
export async function moveRun(
  db: ControlDb,
  id: number,
  to: RunState,
  also: { error?: string; checksum?: string } = {},
): Promise<boolean> {
  const started = to === 'queued' || to === 'finalizing' ? { started_at: sql<Date>`coalesce(started_at, now())` } : {};
  // What is done to a run that has ended, such as a replay of its rejects, does not make it longer.
  const finished = sql<Date>`coalesce(finished_at, clock_timestamp())`;
  const ended = RUN_STEPS[to].length === 0 || isEnd(to) ? { finished_at: finished } : {};
  const moved = await db
    .updateTable('drayage.runs')
    .set({ state: to, phase: null, ...also, ...started, ...ended })
    .where('id', '=', id)
    .where('state', 'in', statesBefore(RUN_STEPS, to))
    .executeTakeFirst();
  return moved.numUpdatedRows > 0n;
}

/**
 * Takes a run to `finalizing` when its last partition has been settled. The row is locked by whoever settled a
 * partition, so exactly one caller gets an answer.
 * @returns the round that has ended
 */
export async function beginFinalizing(db: ControlDb, id: number): Promise<number | undefined> {
  const moved = await db
    .updateTable('drayage.runs')
    .set({ state: 'finalizing', started_at: sql<Date>`coalesce(started_at, now())` })
    .where('id', '=', id)
    .where('state', 'in', ['queued', 'running'])
    .where('partitions_pending', '=', 0)
    .where('partitions_running', '=', 0)
    .returning('round')
    .executeTakeFirst();
  return moved?.round;
}

/** Counts rows that a merge deleted. */
export async function addDeleted(db: ControlDb, id: number, rows: number): Promise<void> {
  await db
    .updateTable('drayage.runs')
    .set({ rows_deleted: sql`rows_deleted + ${rows}` })
    .where('id', '=', id)
    .execute();
}

/** As `addDeleted`, where somebody else keeps the sum. */
export async function setDeleted(db: ControlDb, id: number, rows: number): Promise<void> {
  await db.updateTable('drayage.runs').set({ rows_deleted: rows }).where('id', '=', id).execute();
}

/** Tells what the end of a run is busy with; one that has ended meanwhile says nothing more. */
export async function showPhase(db: ControlDb, id: number, phase: string | null): Promise<void> {
  await db
    .updateTable('drayage.runs')
    .set({ phase })
    .where('id', '=', id)
    .where('state', '=', 'finalizing')
    .where('phase', 'is distinct from', phase)
    .execute();
}

function isEnd(state: RunState): boolean {
  return ['succeeded', 'completed_with_rejects', 'failed', 'cancelled'].includes(state);
}
