-- How long partitions took, per job: how many ended in each bucket of time. Cumulated, these are a Prometheus histogram.
create view drayage.partition_duration_buckets as
with counted as (
  select r.job, d.state, d.le, sum(d.partitions)::bigint as partitions, sum(d.seconds) as seconds
  from drayage.partition_durations d
  join drayage.runs r on r.id = d.run_id
  group by r.job, d.state, d.le
)
select
  series.job,
  series.state,
  bound.le,
  coalesce(counted.partitions, 0) as partitions,
  coalesce(counted.seconds, 0) as seconds
from (select distinct job, state from counted) series
cross join unnest(drayage.duration_bounds()) bound (le)
left join counted using (job, state, le)
order by series.job, series.state, bound.le;
