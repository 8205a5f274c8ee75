import { type CompiledQuery, sql } from 'kysely';
import { PACK_PREFIX } from '../model/pack.ts';
import type { AttemptKey } from './claims.ts';
import type { ControlDb } from './db.ts';

/** An attempt that still holds its partition, and how its run stands. */
export interface Held {
  id: number;
  attempt: number;
  run: number;
  state: string;
  /** The run is paused, but what is under way may end. */
  draining: boolean;
  /** Whether the server knows of a connection on which the attempt is being loaded. */
  loading: boolean;
  /** This worker's share of what the run may load; null for any number. */
  rowsPerSecond: number | null;
}

/** The query that gives a row for each attempt that still holds its partition. */
export function watchOf(db: ControlDb, attempts: readonly AttemptKey[]): CompiledQuery {
  const keys = JSON.stringify(attempts.map(({ id, attempt }) => ({ id, attempt })));
  return sql<Held>`
    select p.id, p.attempt, r.id as run, r.state, r.draining,
      p.pack in (select substr(application_name, ${PACK_PREFIX.length + 1}::int) from pg_stat_activity
        where starts_with(application_name, ${PACK_PREFIX})) as loading,
      case when r.max_rows_per_second is not null then
        r.max_rows_per_second::float8 / greatest(1, (
          select count(distinct o.worker_id) from drayage.partitions o where o.run_id = r.id and o.state = 'running'))
      end as "rowsPerSecond"
    from jsonb_to_recordset(${keys}::jsonb) as k (id bigint, attempt int)
    join drayage.partitions p using (id, attempt) join drayage.runs r on r.id = p.run_id
    where p.state = 'running' and r.state <> 'cancelled'`.compile(db);
}

export interface Presence {
  state: 'alive' | 'draining';
  heldBack: string | null;
  /** Resident, in bytes. */
  memory: number;
  /** Names of the transactions that the worker has a hand on. */
  packs: string[];
}

/** The statement by which a worker says that it is there. */
export function presenceOf(db: ControlDb, id: string, { heldBack, ...presence }: Presence): CompiledQuery {
  return db
    .updateTable('drayage.workers')
    .set({ ...presence, held_back: heldBack, seen_at: sql`clock_timestamp()` })
    .where('id', '=', id)
    .compile();
}
