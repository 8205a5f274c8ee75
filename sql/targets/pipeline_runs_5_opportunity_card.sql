-- The cards of a run; unique by run and number, so that loading them again cannot double them.
create table "OpportunityCard" (
  id text primary key,
  "runId" text not null references "Run" (id) on delete cascade,
  number integer not null,
  title text not null,
  tagline text,
  problem text,
  solution text,
  why_now text,
  target_segment text,
  quick_win text,
  -- Sections of cards of the newer layout.
  description text,
  actionability text,
  visual text,
  follow_up_prompts text,
  front_matter jsonb,
  -- The card as it was written.
  markdown text,
  -- The readers' own; no load touches it.
  starred boolean not null default false,
  "createdAt" timestamptz not null default now(),
  unique ("runId", number)
);
