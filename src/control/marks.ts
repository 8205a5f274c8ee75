import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

/**
 * A mark per run that may change, and one for the workers (null): when it differs from an earlier one, something has
 * happened. Runs that ended more than a day ago have none, unless something was done to them since.
 */
export async function changeMarks(db: ControlDb): Promise<Map<number | null, string>> {
  const { rows } = await sql<{ run: number | null; mark: string }>`
    with recent as (
      select id from drayage.runs where finished_at is null or finished_at > now() - interval '1 day'
      union select run_id from drayage.events where at > now() - interval '1 day'
      union select run_id from drayage.verifications where verified_at > now() - interval '1 day'
    )
    select r.run, concat_ws(' ', r.state, r.phase, r.partitions_total, r.partitions_pending, r.partitions_running,
      r.rows_read, r.rows_rejected, r.reason, e.id, v.id) as mark
    from drayage.run_progress r
    left join lateral (select max(id) as id from drayage.events where run_id = r.run) e on true
    left join lateral (select max(id) as id from drayage.verifications where run_id = r.run) v on true
    where r.run = any (array(select id from recent))
    union all
    select null, string_agg(concat_ws(' ', worker, state, partitions_running, memory / 1048576, held_back), ',' order by worker)
    from drayage.worker_status`.execute(db);
  return new Map(rows.map(({ run, mark }) => [run, mark]));
}
