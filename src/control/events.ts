import type { ControlDb } from './db.ts';

/** Notes who did what, for the history of a run. */
export async function noteEvent(
  db: ControlDb,
  event: { run: number; actor: string; action: string; detail?: Record<string, unknown> },
): Promise<void> {
  const { run, actor, action, detail = {} } = event;
  await db
    .insertInto('drayage.events')
    .values({ run_id: run, actor, action, detail: JSON.stringify(detail) })
    .execute();
}

export interface RunEvent {
  id: number;
  at: Date;
  actor: string;
  action: string;
  detail: Record<string, unknown>;
}

/** What was done to a run, the latest first. @param before only events with a smaller id */
export async function eventsOf(db: ControlDb, run: number, limit: number, before?: number): Promise<RunEvent[]> {
  const found = await db
    .selectFrom('drayage.events')
    .select(['id', 'at', 'actor', 'action', 'detail'])
    .where('run_id', '=', run)
    .$if(before !== undefined, (query) => query.where('id', '<', before!))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return found as RunEvent[];
}
