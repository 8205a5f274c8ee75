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
