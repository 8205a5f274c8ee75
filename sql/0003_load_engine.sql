-- What loads lose by permission, what merges delete, and how many rejects a run puts up with.

alter table drayage.runs
  -- A number, or a share such as 1%; null for any.
  add column max_rejects text,
  -- Rows that a merge deleted because the source no longer has their keys.
  add column rows_deleted bigint not null default 0;

-- The loss ledger: how many rows of a partition lost something that the job allows a column to lose. A run without an
-- entry here and without rejects is exact.
create table drayage.coercions (
  run_id bigint not null references drayage.runs (id) on delete cascade,
  partition_id bigint not null references drayage.partitions (id) on delete cascade,
  table_name text not null,
  column_name text not null,
  loss text not null,
  rows bigint not null,
  primary key (partition_id, table_name, column_name, loss)
);
create index coercions_run on drayage.coercions (run_id);
