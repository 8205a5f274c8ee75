-- Owners of pipeline runs (docs/jobs/pipeline-runs.md).
create table "User" (
  id text primary key,
  "createdAt" timestamptz not null default now()
);
