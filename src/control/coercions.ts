import { sql } from 'kysely';
import type { Coercion } from '../model/sink.ts';
import type { ControlDb } from './db.ts';

/** Notes what a partition lost by permission; part of the transaction that loads it. Adds to what is there already. */
export async function noteCoercions(
  db: ControlDb,
  where: { run: number; partition: number; table: string },
  coercions: readonly Coercion[],
): Promise<void> {
  if (coercions.length === 0) return;
  await db
    .insertInto('drayage.coercions')
    .values(
      coercions.map(({ column, loss, rows }) => ({
        run_id: where.run,
        partition_id: where.partition,
        table_name: where.table,
        column_name: column,
        loss,
        rows,
      })),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['partition_id', 'table_name', 'column_name', 'loss'])
        .doUpdateSet({ rows: sql`coercions.rows + excluded.rows` }),
    )
    .execute();
}

export interface RunCoercion extends Coercion {
  table: string;
}

/** What a run lost, by column. */
export function coercionsOf(db: ControlDb, run: number): Promise<RunCoercion[]> {
  return db
    .selectFrom('drayage.coercions')
    .select(['table_name as table', 'column_name as column', 'loss'])
    .select(sql<number>`sum(rows)::bigint`.as('rows'))
    .where('run_id', '=', run)
    .groupBy(['table_name', 'column_name', 'loss'])
    .orderBy('table_name')
    .orderBy('column_name')
    .execute();
}
