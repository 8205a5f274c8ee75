-- What people watch: how runs went over time, who is told when something changes, and lists of a million partitions.

-- The counters of a run from moment to moment. Short runs have a sample every quarter of a second, longer ones as many as
-- a chart can show: their number grows with the logarithm of the time that the run takes.
create table drayage.run_samples (
  run_id bigint not null references drayage.runs (id) on delete cascade,
  at timestamptz not null,
  partitions_pending integer not null,
  partitions_running integer not null,
  partitions_done integer not null,
  partitions_skipped integer not null,
  partitions_failed integer not null,
  partitions_cancelled integer not null,
  -- With what running partitions have read so far.
  rows_read bigint not null,
  rows_written bigint not null,
  rows_rejected bigint not null,
  bytes_read bigint not null,
  primary key (run_id, at)
);

-- Lists by state, page by page; the heat map reads nothing else.
create index partitions_state on drayage.partitions (run_id, state, id);
drop index drayage.partitions_failed;
create index partitions_slowest on drayage.partitions (run_id, (finished_at - started_at)) where state = 'done';
create index events_run on drayage.events (run_id, id);
create index rejects_partition on drayage.rejects (partition_id, id);

-- Takes a sample when one is due, and tells those who listen.
create function drayage.sample_run(run bigint, due boolean) returns void language plpgsql as $$
begin
  insert into drayage.run_samples
  select r.id, clock_timestamp(), r.partitions_pending, r.partitions_running, r.partitions_done, r.partitions_skipped,
    r.partitions_failed, r.partitions_cancelled, r.rows_read + live.rows_read, r.rows_written, r.rows_rejected, r.bytes_read
  from drayage.runs r
  cross join lateral (
    select coalesce(sum(g.rows_read), 0) as rows_read
    from drayage.partitions p join drayage.progress g on g.partition_id = p.id and g.attempt = p.attempt
    where p.run_id = r.id and p.state = 'running'
  ) live
  where r.id = run and r.started_at is not null and (due or not exists (
    select from drayage.run_samples s
    where s.run_id = run
      and s.at > clock_timestamp() - greatest(interval '250 milliseconds', (clock_timestamp() - r.started_at) / 200)))
  on conflict do nothing;
  if due or found then
    perform pg_notify('drayage_changes', run::text);
  end if;
end $$;

create function drayage.watch_run() returns trigger language plpgsql as $$
begin
  perform drayage.sample_run(new.id,
    tg_op = 'INSERT' or new.state <> old.state or new.phase is distinct from old.phase);
  return null;
end $$;

create function drayage.watch_progress() returns trigger language plpgsql as $$
begin
  perform drayage.sample_run(p.run_id, false) from drayage.partitions p where p.id = new.partition_id;
  return null;
end $$;

create trigger watch after insert or update on drayage.runs for each row execute function drayage.watch_run();
create trigger watch after insert or update on drayage.progress for each row execute function drayage.watch_progress();
