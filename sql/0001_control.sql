-- What Drayage knows about runs. Everything here may be read by dashboards through the views; only Drayage writes.

create table drayage.runs (
  id bigint generated always as identity primary key,
  job text not null,
  -- Where a worker finds the definition, relative to the project root.
  job_path text not null,
  -- Digest of the definition and its DDL: a worker with another version must not continue the run.
  job_version text not null,
  params jsonb not null,
  state text not null default 'planning' check (state in ('planning', 'queued', 'running', 'paused', 'finalizing',
    'succeeded', 'completed_with_rejects', 'failed', 'cancelled', 'rolled_back')),
  error text,
  -- Load again what an earlier run has loaded already.
  forced boolean not null default false,
  retries integer not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- Kept by the trigger below, so that nobody has to count a million partitions.
  partitions_total integer not null default 0,
  partitions_pending integer not null default 0,
  partitions_running integer not null default 0,
  partitions_done integer not null default 0,
  partitions_skipped integer not null default 0,
  partitions_failed integer not null default 0,
  partitions_cancelled integer not null default 0,
  rows_planned bigint not null default 0,
  bytes_planned bigint not null default 0,
  rows_read bigint not null default 0,
  rows_written bigint not null default 0,
  rows_unchanged bigint not null default 0,
  rows_superseded bigint not null default 0,
  rows_rejected bigint not null default 0,
  bytes_read bigint not null default 0,
  -- Additive checksum of the rows sent, 16 hexadecimal digits; known when the run has ended.
  checksum text
);

create table drayage.workers (
  id uuid primary key,
  host text not null,
  pid integer not null,
  concurrency integer not null,
  state text not null default 'alive' check (state in ('alive', 'draining', 'stopped')),
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);

create table drayage.partitions (
  id bigint generated always as identity primary key,
  run_id bigint not null references drayage.runs (id) on delete cascade,
  key text not null,
  fingerprint text not null,
  -- What the source needs to find the partition again.
  spec jsonb not null,
  file text not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'done', 'skipped', 'failed', 'cancelled')),
  -- Rises with every claim: the fence that a worker which lost its claim cannot pass.
  attempt integer not null default 0,
  -- Attempts that failed; an interruption is none.
  failures integer not null default 0,
  worker_id uuid,
  rows_planned bigint,
  bytes_planned bigint,
  rows_read bigint not null default 0,
  rows_written bigint not null default 0,
  rows_unchanged bigint not null default 0,
  rows_superseded bigint not null default 0,
  rows_rejected bigint not null default 0,
  checksum text,
  error_code text,
  error text,
  started_at timestamptz,
  finished_at timestamptz,
  unique (run_id, key)
);
create index partitions_running on drayage.partitions (run_id) where state = 'running';
create index partitions_failed on drayage.partitions (run_id) where state = 'failed';
create index partitions_finished on drayage.partitions (finished_at) where finished_at is not null;

-- Live counters of running partitions, written outside the load's transaction so that others see them before its end.
create table drayage.progress (
  partition_id bigint primary key references drayage.partitions (id) on delete cascade,
  attempt integer not null,
  rows_read bigint not null,
  updated_at timestamptz not null default now()
);

create table drayage.rejects (
  id bigint generated always as identity primary key,
  run_id bigint not null references drayage.runs (id) on delete cascade,
  partition_id bigint not null references drayage.partitions (id) on delete cascade,
  table_name text,
  -- 1-based row or line in the file; null when the transform does not keep rows apart.
  row_number bigint,
  column_name text,
  reason text not null,
  message text not null,
  -- json, not jsonb: a rejected row may hold what jsonb refuses.
  raw json not null,
  rejected_at timestamptz not null default now()
);
create index rejects_run on drayage.rejects (run_id, id);

create table drayage.events (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  run_id bigint references drayage.runs (id) on delete cascade,
  actor text not null,
  action text not null,
  detail jsonb not null default '{}'
);

-- The ledger: what content is in which tables. Written by the transaction that wrote the rows.
create table drayage.loads (
  fingerprint text not null,
  -- Tables by OID, so that a table made anew counts as empty.
  targets oid[] not null,
  job text not null,
  partition_key text not null,
  run_id bigint not null,
  rows_written bigint not null default 0,
  checksum text,
  loaded_at timestamptz not null default now(),
  primary key (fingerprint, targets)
);

create function drayage.count_partitions() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update drayage.runs r set
      partitions_total = r.partitions_total + d.total,
      partitions_pending = r.partitions_pending + d.pending,
      partitions_skipped = r.partitions_skipped + d.skipped,
      partitions_failed = r.partitions_failed + d.failed,
      rows_planned = r.rows_planned + d.rows_planned,
      bytes_planned = r.bytes_planned + d.bytes_planned
    from (
      select run_id, count(*) as total,
        count(*) filter (where state = 'pending') as pending,
        count(*) filter (where state = 'skipped') as skipped,
        count(*) filter (where state = 'failed') as failed,
        coalesce(sum(rows_planned), 0) as rows_planned,
        coalesce(sum(bytes_planned), 0) as bytes_planned
      from after_rows group by run_id
    ) d where r.id = d.run_id;
  else
    update drayage.runs r set
      partitions_pending = r.partitions_pending + d.pending,
      partitions_running = r.partitions_running + d.running,
      partitions_done = r.partitions_done + d.done,
      partitions_skipped = r.partitions_skipped + d.skipped,
      partitions_failed = r.partitions_failed + d.failed,
      partitions_cancelled = r.partitions_cancelled + d.cancelled,
      rows_read = r.rows_read + d.rows_read,
      rows_written = r.rows_written + d.rows_written,
      rows_unchanged = r.rows_unchanged + d.rows_unchanged,
      rows_superseded = r.rows_superseded + d.rows_superseded,
      rows_rejected = r.rows_rejected + d.rows_rejected,
      bytes_read = r.bytes_read + d.bytes_read
    from (
      select run_id,
        coalesce(sum(sign) filter (where state = 'pending'), 0) as pending,
        coalesce(sum(sign) filter (where state = 'running'), 0) as running,
        coalesce(sum(sign) filter (where state = 'done'), 0) as done,
        coalesce(sum(sign) filter (where state = 'skipped'), 0) as skipped,
        coalesce(sum(sign) filter (where state = 'failed'), 0) as failed,
        coalesce(sum(sign) filter (where state = 'cancelled'), 0) as cancelled,
        sum(sign * rows_read) as rows_read,
        sum(sign * rows_written) as rows_written,
        sum(sign * rows_unchanged) as rows_unchanged,
        sum(sign * rows_superseded) as rows_superseded,
        sum(sign * rows_rejected) as rows_rejected,
        coalesce(sum(sign * bytes_planned) filter (where state = 'done'), 0) as bytes_read
      from (select 1 as sign, * from after_rows union all select -1, * from before_rows) changed
      group by run_id
    ) d where r.id = d.run_id;
  end if;
  return null;
end $$;

create trigger count_inserted after insert on drayage.partitions
  referencing new table as after_rows for each statement execute function drayage.count_partitions();
create trigger count_updated after update on drayage.partitions
  referencing old table as before_rows new table as after_rows for each statement execute function drayage.count_partitions();
