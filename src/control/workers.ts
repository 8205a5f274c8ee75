import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

export interface NewWorker {
  id: string;
  host: string;
  pid: number;
  concurrency: number;
}

export async function registerWorker(db: ControlDb, worker: NewWorker): Promise<void> {
  await db.insertInto('drayage.workers').values(worker).execute();
}

export async function stopWorker(db: ControlDb, id: string): Promise<void> {
  await db
    .updateTable('drayage.workers')
    .set({ state: 'stopped', held_back: null, seen_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .execute();
}

export interface ListedWorker {
  worker: string;
  host: string;
  pid: number;
  state: 'alive' | 'draining' | 'stopped' | 'lost';
  concurrency: number;
  started_at: Date;
  seen_at: Date;
  /** Resident, in bytes. */
  memory: number | null;
  /** Why it claims nothing although there is work. */
  held_back: string | null;
  /** What it is loading. */
  busy: BusyWith[];
}

export interface BusyWith {
  run: number;
  job: string;
  partition_id: number;
  partition: string;
  rows_read: number;
  rows_planned: number | null;
  seconds: number | null;
}

/** Workers of the last day, those that are there before the others. */
export async function listWorkers(db: ControlDb): Promise<ListedWorker[]> {
  const { rows } = await sql<ListedWorker>`
    select w.worker, w.host, w.pid, w.state, w.concurrency, w.started_at, w.seen_at, w.memory, w.held_back,
      coalesce(busy.list, '[]') as busy
    from drayage.worker_status w
    left join lateral (
      select json_agg(json_build_object('run', p.run_id, 'job', r.job, 'partition_id', p.id, 'partition', p.key,
        'rows_read', coalesce(g.rows_read, 0), 'rows_planned', p.rows_planned,
        'seconds', round(extract(epoch from clock_timestamp() - p.started_at), 1)) order by p.id) as list
      from drayage.partitions p
      join drayage.runs r on r.id = p.run_id
      left join drayage.progress g on g.partition_id = p.id and g.attempt = p.attempt
      where p.state = 'running' and p.worker_id = w.worker
    ) busy on true
    order by array_position(array['alive', 'draining', 'lost', 'stopped'], w.state), w.started_at desc
    limit 500`.execute(db);
  return rows;
}

/** How many transactions all workers that are there can have under way. */
export async function slotsOfAll(db: ControlDb): Promise<number> {
  const found = await db
    .selectFrom('drayage.workers')
    .select(sql<number>`coalesce(sum(concurrency), 0)::int`.as('slots'))
    .where('state', '=', 'alive')
    .where('seen_at', '>', sql<Date>`now() - interval '30 seconds'`)
    .executeTakeFirst();
  return found?.slots ?? 0;
}
