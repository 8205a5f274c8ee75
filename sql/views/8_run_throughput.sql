-- The speed of each run over time, from sample to sample; a run has a few hundred of them.
create view drayage.run_throughput as
select
  s.run_id as run,
  s.at as time,
  round(extract(epoch from s.at - r.started_at), 3)::float8 as seconds,
  s.partitions_pending,
  s.partitions_running,
  s.partitions_done,
  s.partitions_skipped,
  s.partitions_failed,
  s.partitions_cancelled,
  s.rows_read,
  s.rows_written,
  s.rows_rejected,
  s.bytes_read,
  greatest(0, (s.rows_read - lag(s.rows_read) over samples)
    / nullif(extract(epoch from s.at - lag(s.at) over samples), 0))::float8 as rows_per_second
from drayage.run_samples s
join drayage.runs r on r.id = s.run_id
window samples as (partition by s.run_id order by s.at)
order by s.run_id, s.at;
