-- The two inspirations of a run.
create table "InspirationReport" (
  id text primary key,
  "runId" text not null unique references "Run" (id) on delete cascade,
  "selectedTrack" text,
  "inspiration1Title" text,
  "inspiration1Content" text,
  "inspiration1Elements" jsonb not null,
  "inspiration2Title" text,
  "inspiration2Content" text,
  "inspiration2Elements" jsonb not null,
  "createdAt" timestamptz not null default now()
);
