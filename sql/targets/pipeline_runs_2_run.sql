-- One row for each run of the pipeline.
create table "Run" (
  id text primary key,
  "userId" text not null references "User" (id),
  "companyId" text not null,
  "companyName" text not null,
  "documentName" text not null,
  "documentUrl" text,
  status text not null,
  "currentStage" integer not null,
  "createdAt" timestamptz not null default now(),
  "updatedAt" timestamptz not null default now(),
  "completedAt" timestamptz
);

create index "Run_userId_createdAt" on "Run" ("userId", "createdAt" desc);
create index "Run_companyId" on "Run" ("companyId");
