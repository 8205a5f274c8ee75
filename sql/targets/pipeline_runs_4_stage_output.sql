-- What each stage of a run has left.
create table "StageOutput" (
  id text primary key,
  "runId" text not null references "Run" (id) on delete cascade,
  "stageNumber" integer not null check ("stageNumber" between 1 and 5),
  "jsonOutput" jsonb,
  "markdownOutput" text,
  "createdAt" timestamptz not null default now(),
  unique ("runId", "stageNumber")
);
