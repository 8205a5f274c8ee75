import { sql } from 'kysely';
import type { AttemptKey } from './claims.ts';
import type { ControlDb } from './db.ts';

/** Shows how many rows a running attempt has read. */
export async function showProgress(db: ControlDb, { id, attempt }: AttemptKey, rowsRead: number): Promise<void> {
  await db
    .insertInto('drayage.progress')
    .values({ partition_id: id, attempt, rows_read: rowsRead })
    .onConflict((conflict) =>
      conflict
        .column('partition_id')
        .doUpdateSet({ attempt, rows_read: rowsRead, updated_at: sql`clock_timestamp()` })
        .where('drayage.progress.attempt', '<=', attempt),
    )
    .execute();
}
