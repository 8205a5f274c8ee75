-- One row per attempt that has ended, the newest last.
create view drayage.attempt_history as
select
  a.run_id as run,
  p.key as partition,
  a.attempt,
  a.outcome,
  w.host,
  w.pid,
  a.worker_id as worker,
  a.rows_read,
  a.rows_written,
  a.rows_rejected,
  a.error_code,
  a.error,
  a.started_at,
  a.ended_at,
  round(extract(epoch from a.ended_at - a.started_at), 3)::float8 as seconds
from drayage.attempts a
join drayage.partitions p on p.id = a.partition_id
left join drayage.workers w on w.id = a.worker_id
order by a.ended_at;
