import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

/** A run that has not ended, as a worker looks at it before it claims. */
export interface ActiveRun {
  id: number;
  state: string;
  priority: number;
  /** Tables that it fills, as the job names them. */
  tables: string[];
  /** Partitions that wait. */
  pending: number;
  /** A limit of its own, or of one of its tables, is in force. */
  limited: boolean;
  /** As many transactions load it as may, or fill one of its tables. */
  full: boolean;
}

const LIMITED = sql<boolean>`(r.max_concurrency is not null
  or exists (select from drayage.limits l where l.table_name = any (r.tables)))`;

/**
 * Whether a partition takes up room: one that is about to be loaded, or whose transaction a worker says it has. Others
 * wait to be taken over, and a run that is full because of them would never go on.
 */
const OCCUPIED = sql<boolean>`(p.state = 'running' and (
  p.started_at > clock_timestamp() - interval '30 seconds'
  or exists (
    select from drayage.workers w
    where w.id = p.worker_id and p.pack = any (w.packs) and w.seen_at > clock_timestamp() - interval '30 seconds'
  )))`;

const FULL = sql<boolean>`(
  coalesce(r.max_concurrency <= (
    select count(distinct p.pack) from drayage.partitions p where p.run_id = r.id and ${OCCUPIED}
  ), false)
  or exists (
    select from drayage.limits l where l.table_name = any (r.tables) and l.max_concurrency <= (
      select count(distinct p.pack) from drayage.runs o join drayage.partitions p on p.run_id = o.id
      where l.table_name = any (o.tables) and o.state in ('planning', 'queued', 'running', 'paused') and ${OCCUPIED}
    )
  ))`;

/** The runs whose partitions may be in the queue. */
export function activeRuns(db: ControlDb): Promise<ActiveRun[]> {
  return db
    .selectFrom('drayage.runs as r')
    .select(['r.id', 'r.state', 'r.priority', 'r.partitions_pending as pending', 'r.tables'])
    .select([LIMITED.as('limited'), FULL.as('full')])
    .where('r.state', 'in', ['planning', 'queued', 'running', 'paused'])
    .execute();
}

/**
 * Whether one more transaction may load the run. Nobody else can begin one before the caller's transaction ends, so
 * that a limit is never exceeded.
 */
export async function hasRoom(db: ControlDb, run: number): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtextextended('drayage limits', 0))`.execute(db);
  const found = await db
    .selectFrom('drayage.runs as r')
    .select(FULL.as('full'))
    .where('r.id', '=', run)
    .executeTakeFirst();
  return found?.full === false;
}

/** How many workers are loading the run, at least one. */
export async function workersOn(db: ControlDb, run: number): Promise<number> {
  const found = await db
    .selectFrom('drayage.partitions')
    .select(sql<number>`count(distinct worker_id)::int`.as('workers'))
    .where('run_id', '=', run)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return Math.max(1, found?.workers ?? 1);
}

/** Limits how many transactions may fill a table at the same time. @param maxConcurrency null lifts the limit */
export async function limitTable(db: ControlDb, table: string, maxConcurrency: number | null): Promise<void> {
  if (maxConcurrency === null) {
    await db.deleteFrom('drayage.limits').where('table_name', '=', table).execute();
    return;
  }
  await db
    .insertInto('drayage.limits')
    .values({ table_name: table, max_concurrency: maxConcurrency })
    .onConflict((conflict) => conflict.column('table_name').doUpdateSet({ max_concurrency: maxConcurrency }))
    .execute();
}
