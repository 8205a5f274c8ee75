-- What Drayage keeps in a target database apart from the control database: what is in its tables, and what it takes to
-- tell the control database so when a worker died in between.

-- Names this database for runs that fill it.
create table drayage.target (
  id uuid primary key default gen_random_uuid(),
  single boolean not null unique default true check (single)
);
insert into drayage.target default values;

-- There already where this was a control database before: then what it has loaded itself stays known.
create table if not exists drayage.loads (
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

alter table drayage.loads
  -- The control database that knows the run and the partition; null for loads of this database's own runs.
  add column control uuid,
  add column partition_id bigint,
  add column attempt integer,
  -- What the partition came to, as its row in the control database has to say.
  add column outcome json;
create index loads_run on drayage.loads (control, run_id);

-- Rejects of loads that the control database has not heard of yet.
create table drayage.outbox_rejects (
  id bigint generated always as identity primary key,
  control uuid not null,
  run_id bigint not null,
  partition_id bigint not null,
  table_name text,
  row_number bigint,
  column_name text,
  reason text not null,
  message text not null,
  raw json not null
);
create index outbox_rejects_partition on drayage.outbox_rejects (control, partition_id, id);

-- How many rows the merge of a run has deleted.
create table drayage.deletions (
  control uuid not null,
  run_id bigint not null,
  rows bigint not null,
  primary key (control, run_id)
);
