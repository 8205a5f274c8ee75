-- What steers a run while it is under way, what holds workers back, and the history of every attempt.

alter table drayage.runs
  -- Runs of a higher one go first.
  add column priority integer not null default 0,
  -- Transactions that load the run at the same time; null for as many as there are workers.
  add column max_concurrency integer check (max_concurrency > 0),
  -- All workers together; null for as fast as it goes.
  add column max_rows_per_second integer check (max_rows_per_second > 0),
  -- Why the run is paused.
  add column reason text,
  -- Paused, but what is under way may end.
  add column draining boolean not null default false,
  -- Pause when most of the first partitions fail; off once somebody has resumed the run in spite of it.
  add column guarded boolean not null default true,
  -- Rises with every retry of the whole run: each has an end of its own.
  add column round integer not null default 1,
  -- Tables that the run fills, as the job names them.
  add column tables text[] not null default '{}';
create index runs_active on drayage.runs (id) where state in ('planning', 'queued', 'running', 'paused', 'finalizing');

-- Transactions that may fill a table at the same time, whatever runs they belong to.
create table drayage.limits (
  table_name text primary key,
  max_concurrency integer not null check (max_concurrency > 0)
);

alter table drayage.workers
  -- Why the worker claims nothing although there is work; null when nothing holds it back.
  add column held_back text,
  -- Resident memory in bytes.
  add column memory bigint;

-- The transaction in which the partition is loaded, together with others that are as small.
alter table drayage.partitions add column pack text;

-- One row per attempt that has ended. A worker that vanished cannot say so: that attempt is lost, which turns out when
-- another one follows.
create table drayage.attempts (
  partition_id bigint not null references drayage.partitions (id) on delete cascade,
  attempt integer not null,
  run_id bigint not null references drayage.runs (id) on delete cascade,
  worker_id uuid,
  outcome text not null check (outcome in ('done', 'skipped', 'failed', 'released', 'cancelled', 'lost')),
  error_code text,
  error text,
  rows_read bigint not null,
  rows_written bigint not null,
  rows_rejected bigint not null,
  started_at timestamptz,
  ended_at timestamptz not null,
  primary key (partition_id, attempt)
);
create index attempts_run on drayage.attempts (run_id, ended_at);

create function drayage.record_attempts() returns trigger language plpgsql as $$
begin
  insert into drayage.attempts (partition_id, attempt, run_id, worker_id, outcome, error_code, error,
    rows_read, rows_written, rows_rejected, started_at, ended_at)
  select b.id, b.attempt, b.run_id, b.worker_id,
    case
      when a.state = 'running' then 'lost'
      when a.failures > b.failures then 'failed'
      when a.state = 'pending' then 'released'
      else a.state
    end,
    case when a.failures > b.failures or a.state = 'failed' then a.error_code end,
    case when a.failures > b.failures or a.state = 'failed' then a.error end,
    a.rows_read, a.rows_written, a.rows_rejected, b.started_at, clock_timestamp()
  from before_rows b join after_rows a on a.id = b.id
  where b.state = 'running' and (a.state <> 'running' or a.attempt <> b.attempt)
  on conflict do nothing;
  return null;
end $$;
create trigger record_attempts after update on drayage.partitions
  referencing old table as before_rows new table as after_rows for each statement execute function drayage.record_attempts();
