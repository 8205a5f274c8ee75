-- What goes into a lake: files of Parquet in a folder or in S3, which has no transactions. A file is entered here in the
-- transaction that settles its partition, and counts for readers when a manifest in the lake names it.

-- The lake that a run fills.
create table drayage.lake_runs (
  run_id bigint primary key references drayage.runs (id) on delete cascade,
  root text not null,
  -- Kept in the lake itself, so that a lake made anew counts as empty.
  lake uuid not null,
  -- How the run's manifest is called in the lake, where other databases may publish, too.
  manifest text not null,
  -- What the manifest says, so that it is the same to the byte whenever it is written.
  published_at timestamptz,
  -- Whether the manifest is there.
  published boolean not null default false
);

-- The ledger of lakes: what content is in which of their datasets.
create table drayage.lake_loads (
  fingerprint text not null,
  lake uuid not null,
  datasets text[] not null,
  job text not null,
  partition_key text not null,
  run_id bigint not null,
  rows_written bigint not null default 0,
  loaded_at timestamptz not null default now(),
  primary key (fingerprint, lake, datasets)
);

create table drayage.lake_files (
  id bigint generated always as identity primary key,
  lake uuid not null,
  dataset text not null,
  -- Relative to the lake's root.
  path text not null,
  rows bigint not null,
  bytes bigint not null,
  -- SHA-256 of the file's bytes.
  checksum text not null,
  columns jsonb not null,
  run_id bigint not null,
  partition_key text not null,
  fingerprint text not null,
  -- The run whose manifest names it, and the one whose manifest removes it.
  added_by bigint,
  removed_by bigint,
  unique (lake, path)
);
create index lake_files_run on drayage.lake_files (run_id);
create index lake_files_content on drayage.lake_files (lake, fingerprint);

-- Files that an attempt was about to put into the lake, noted before it did: what was never entered is swept when the
-- run ends.
create table drayage.lake_puts (
  run_id bigint not null references drayage.runs (id) on delete cascade,
  path text not null,
  primary key (run_id, path)
);

-- The columns that the files of a dataset have, all together.
create table drayage.lake_datasets (
  lake uuid not null,
  dataset text not null,
  columns jsonb not null,
  primary key (lake, dataset)
);
