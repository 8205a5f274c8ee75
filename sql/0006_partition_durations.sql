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

-- Runs after the trigger that counts, whose name sorts before: that one holds the run's row, so that these rows are
-- always changed by one transaction at a time.
create function drayage.measure_partitions() returns trigger language plpgsql as $$
begin
  insert into drayage.partition_durations as known (run_id, state, le, partitions, seconds)
  select a.run_id, a.state, drayage.duration_bucket(took), count(*), sum(took)
  from before_rows b join after_rows a on a.id = b.id,
    extract(epoch from a.finished_at - a.started_at) t, cast(t as double precision) took
  where b.state = 'running' and a.state in ('done', 'failed') and a.finished_at >= a.started_at
  group by 1, 2, 3
  on conflict (run_id, state, le) do update
    set partitions = known.partitions + excluded.partitions, seconds = known.seconds + excluded.seconds;
  return null;
end $$;

create trigger measure_updated after update on drayage.partitions
  referencing old table as before_rows new table as after_rows for each statement execute function drayage.measure_partitions();

-- What had ended before this table was there.
insert into drayage.partition_durations (run_id, state, le, partitions, seconds)
select run_id, state, drayage.duration_bucket(took), count(*), sum(took)
from drayage.partitions, extract(epoch from finished_at - started_at) t, cast(t as double precision) took
where state in ('done', 'failed') and finished_at >= started_at
group by 1, 2, 3;
