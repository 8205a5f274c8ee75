-- One row per partition, with the live count of the running ones.
create view drayage.partition_progress as
select
  p.run_id as run,
  p.id as partition_id,
  p.key as partition,
  p.file,
  p.state,
  p.attempt,
  p.failures,
  p.worker_id as worker,
  p.rows_planned,
  case when p.state = 'running' then coalesce(g.rows_read, 0) else p.rows_read end as rows_read,
  p.rows_written,
  p.rows_unchanged,
  p.rows_superseded,
  p.rows_rejected,
  p.bytes_planned,
  p.checksum,
  p.error_code,
  p.error,
  p.warnings,
  p.started_at,
  p.finished_at,
  round(extract(epoch from coalesce(p.finished_at, clock_timestamp()) - p.started_at), 3)::float8 as seconds
from drayage.partitions p
left join drayage.progress g on g.partition_id = p.id and g.attempt = p.attempt;
