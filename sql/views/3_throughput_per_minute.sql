-- Finished partitions and their rows per minute and job, as a time series.
create view drayage.throughput_per_minute as
select
  -- As the index has it: truncated in a zone that is named, since only that never changes.
  date_trunc('minute', p.finished_at at time zone 'UTC') at time zone 'UTC' as time,
  r.job,
  count(*) as partitions,
  sum(p.rows_read)::bigint as rows_read,
  sum(p.rows_written)::bigint as rows_written,
  sum(p.rows_rejected)::bigint as rows_rejected,
  coalesce(sum(p.bytes_planned), 0)::bigint as bytes_read
from drayage.partitions p
join drayage.runs r on r.id = p.run_id
where p.state = 'done'
group by 1, 2
order by 1;
