-- How long attempts took that brought a partition to its end, as a histogram per run: nobody counts a million partitions
-- to know it.

create table drayage.partition_durations (
  run_id bigint not null references drayage.runs (id) on delete cascade,
  state text not null check (state in ('done', 'failed')),
  -- The bucket's upper bound in seconds; the last one has none.
  le double precision not null,
  partitions bigint not null,
  seconds double precision not null,
  primary key (run_id, state, le)
);

create function drayage.duration_bounds() returns double precision[] immutable language sql return
  array[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 'infinity']::double precision[];

create function drayage.duration_bucket(seconds double precision) returns double precision immutable language sql return (
  select min(le) from unnest(drayage.duration_bounds()) le where seconds <= le
);

create function drayage.measure_partition() returns trigger language plpgsql as $$
declare
  took constant double precision := extract(epoch from new.finished_at - new.started_at);
begin
  insert into drayage.partition_durations as known (run_id, state, le, partitions, seconds)
  values (new.run_id, new.state, drayage.duration_bucket(took), 1, took)
  on conflict (run_id, state, le) do update
    set partitions = known.partitions + 1, seconds = known.seconds + excluded.seconds;
  return null;
end $$;

create trigger measure_finished after update on drayage.partitions for each row
  when (old.state = 'running' and new.state in ('done', 'failed') and new.finished_at >= new.started_at)
  execute function drayage.measure_partition();

-- What had ended before this table was there.
insert into drayage.partition_durations (run_id, state, le, partitions, seconds)
select run_id, state, drayage.duration_bucket(took), count(*), sum(took)
from drayage.partitions, extract(epoch from finished_at - started_at) t, cast(t as double precision) took
where state in ('done', 'failed') and finished_at >= started_at
group by 1, 2, 3;
