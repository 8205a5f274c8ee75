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

/** Says that the worker is still there, and in which state. */
export async function touchWorker(db: ControlDb, id: string, state: 'alive' | 'draining' | 'stopped'): Promise<void> {
  await db
    .updateTable('drayage.workers')
    .set({ state, seen_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .execute();
}
