-- One row per run: how far it is, how fast, how long still.
create view drayage.run_progress as
select
  r.id as run,
  r.job,
  r.state,
  r.error,
  r.params,
  r.partitions_total,
  r.partitions_pending,
  r.partitions_running,
  r.partitions_done,
  r.partitions_skipped,
  r.partitions_failed,
  r.partitions_cancelled,
  case when r.partitions_total = 0 then 0 else
    round(100.0 * (r.partitions_total - r.partitions_pending - r.partitions_running) / r.partitions_total, 1)
  end::float8 as percent,
  r.rows_planned,
  r.rows_read + live.rows_read as rows_read,
  r.rows_written,
  r.rows_unchanged,
  r.rows_superseded,
  r.rows_rejected,
  r.bytes_planned,
  r.bytes_read,
  round(elapsed.seconds, 3)::float8 as seconds,
  case when elapsed.seconds > 0 then round((r.rows_read + live.rows_read) / elapsed.seconds) else 0 end::float8 as rows_per_second,
  -- What is left takes as long as what is done did, partition for partition.
  case when r.state = 'running' and r.partitions_done > 0 then
    round(elapsed.seconds * (r.partitions_pending + r.partitions_running) / r.partitions_done)
  end::float8 as eta_seconds,
  r.checksum,
  r.created_at,
  r.started_at,
  r.finished_at,
  r.rows_deleted,
  r.phase,
  r.reason,
  r.priority,
  r.max_concurrency,
  r.max_rows_per_second
from drayage.runs r
cross join lateral (
  select extract(epoch from coalesce(r.finished_at, clock_timestamp()) - r.started_at) as seconds
) elapsed
cross join lateral (
  select coalesce(sum(g.rows_read), 0)::bigint as rows_read
  from drayage.partitions p join drayage.progress g on g.partition_id = p.id and g.attempt = p.attempt
  where p.run_id = r.id and p.state = 'running'
) live;
