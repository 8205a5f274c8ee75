import type { ClientBase, Pool } from 'pg';
import type { Table } from './catalog.ts';

/**
 * Drops what concurrent builds of a table's indexes have left half-done: such an index costs every write, serves no
 * query, and its name would pass for the whole one. One that somebody is building at this moment is left alone.
 */
export async function dropInvalidIndexes(client: ClientBase, { oid }: Table): Promise<void> {
  const { rows } = await client.query<{ sql: string }>(
    // An index of a partitioned table is invalid until all its parts are there, and that is no accident.
    `select format('%I.%I', n.nspname, c.relname) as sql
     from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
     where i.indrelid = $1::oid and not i.indisvalid and c.relkind = 'i'
       and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)`,
    [oid],
  );
  for (const { sql } of rows) await client.query(`drop index concurrently if exists ${sql}`);
}

/** How far the backend is with the index that it builds. @returns undefined when it builds none */
export async function buildProgress(
  pool: Pool,
  pid: number,
): Promise<{ phase: string; percent: number | null } | undefined> {
  const { rows } = await pool.query<{ phase: string; percent: number | null }>(
    // Each phase counts blocks or tuples anew, and some count neither.
    `select phase, case
         when blocks_total > 0 then round(100.0 * blocks_done / blocks_total)
         when tuples_total > 0 then round(100.0 * tuples_done / tuples_total)
       end::float8 as percent
     from pg_stat_progress_create_index where pid = $1`,
    [pid],
  );
  return rows[0];
}
