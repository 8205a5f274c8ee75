-- One row per worker process of the last day: what it is doing, and whether it is still there.
create view drayage.worker_status as
select
  w.id as worker,
  w.host,
  w.pid,
  case when w.state <> 'stopped' and w.seen_at < now() - interval '30 seconds' then 'lost' else w.state end as state,
  w.concurrency,
  coalesce(busy.partitions, 0) as partitions_running,
  w.started_at,
  w.seen_at,
  w.held_back,
  w.memory
from drayage.workers w
left join lateral (
  select count(*) as partitions from drayage.partitions p where p.state = 'running' and p.worker_id = w.id
) busy on true
where w.seen_at > now() - interval '1 day'
order by w.started_at;
