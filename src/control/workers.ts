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
