-- What `dray verify` found out about a run; the latest one counts.
create table drayage.verifications (
  id bigint generated always as identity primary key,
  run_id bigint not null references drayage.runs (id) on delete cascade,
  verified_at timestamptz not null default now(),
  ok boolean not null,
  -- How: whole (one scan of the tables), ledger (with all other loads into them), or keys (row by row).
  method text not null,
  report jsonb not null
);
create index verifications_run on drayage.verifications (run_id, id);
