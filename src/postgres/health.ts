import type pg from 'pg';

/** From where on a database has more to do than is good for it. */
export const LIMITS = {
  replicationLagSeconds: 30,
  /** Segments of 16 MB that wait to be archived. */
  unarchivedSegments: 64,
  /** Of all connections that clients may have. */
  connectionShare: 0.95,
  lockWaitSeconds: 5,
};

interface Signs {
  lag_seconds: number | null;
  connections: number;
  most_connections: number;
  lock_wait_seconds: number | null;
  waiting_for: string | null;
  wraparound: string | null;
}

/**
 * Why a database should be left alone for a while, if it should: any one sign is enough. What a role may not see counts
 * as well.
 * @param tables as they are written in SQL
 * @returns in words for people; undefined when all is well
 */
export async function troubleOf(
  pool: pg.Pool,
  tables: readonly string[],
  limits: typeof LIMITS = LIMITS,
): Promise<string | undefined> {
  const { rows } = await pool.query<Signs>(
    `with named as (select to_regclass(name) as oid, name from unnest($1::text[]) name)
     select
       (select extract(epoch from max(replay_lag))::float8 from pg_stat_replication) as lag_seconds,
       (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most_connections,
       w.seconds as lock_wait_seconds, w.name as waiting_for,
       (select n.name from pg_stat_progress_vacuum v join named n on n.oid = v.relid
          join pg_stat_activity a on a.pid = v.pid where a.query like '%to prevent wraparound%' limit 1) as wraparound
     from (select 1) one left join lateral (
       select extract(epoch from clock_timestamp() - l.waitstart)::float8 as seconds, n.name
       from pg_locks l join named n on n.oid = l.relation where not l.granted order by l.waitstart limit 1
     ) w on true`,
    [tables],
  );
  const signs = rows[0]!;
  if ((signs.lag_seconds ?? 0) > limits.replicationLagSeconds) {
    return `a replica is ${Math.round(signs.lag_seconds!)} seconds behind`;
  }
  if (signs.connections > signs.most_connections * limits.connectionShare) {
    return `${signs.connections} of ${signs.most_connections} connections are in use`;
  }
  if ((signs.lock_wait_seconds ?? 0) > limits.lockWaitSeconds) {
    return `somebody has been waiting for a lock on ${signs.waiting_for} for ${Math.round(signs.lock_wait_seconds!)} seconds`;
  }
  if (signs.wraparound) return `autovacuum is keeping ${signs.wraparound} from running out of transaction numbers`;
  const unarchived = await unarchivedSegments(pool);
  if (unarchived > limits.unarchivedSegments) return `${unarchived} segments of WAL wait to be archived`;
  return undefined;
}

/** 0 where the role may not look: only members of pg_monitor may. */
async function unarchivedSegments(pool: pg.Pool): Promise<number> {
  const may = `has_function_privilege('pg_ls_archive_statusdir()', 'execute') and current_setting('archive_mode') <> 'off'`;
  const { rows: asked } = await pool.query<{ may: boolean }>(`select ${may} as may`);
  if (!asked[0]!.may) return 0;
  const { rows } = await pool.query<{ segments: number }>(
    `select count(*)::int as segments from pg_ls_archive_statusdir() where name like '%.ready'`,
  );
  return rows[0]!.segments;
}
