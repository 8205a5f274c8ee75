-- Civic reports (docs/jobs/civic-reports.md): six tables, and what finds reports that are about the same. Where the
-- server has pgvector, embeddings are vectors with an index; elsewhere they are arrays, compared one by one.

create table if not exists organisations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  type text,
  contact_email text,
  contact_api text,
  facilities jsonb not null default '[]'
);

create table if not exists facilities (
  id uuid primary key default gen_random_uuid(),
  organisation_id uuid not null references organisations on delete cascade,
  name text not null,
  details jsonb
);

create table if not exists reporters (
  id uuid primary key default gen_random_uuid(),
  name text,
  email text,
  is_anonymous boolean not null default true
);

do $$
declare
  embedding text := 'real[] check (cardinality(embedding) = 384)';
begin
  begin
    create extension if not exists vector;
    embedding := 'vector(384)';
  exception when others then
    raise warning 'there is no pgvector on this server (%): embeddings are arrays, and are compared one by one', sqlerrm;
  end;
  -- reporter_id has no foreign key: sessions name reporters that they no longer hold. They are entered afterwards.
  execute format($table$
    create table if not exists reports (
      id uuid primary key default gen_random_uuid(),
      title varchar(500) not null,
      description text,
      category text,
      urgency text,
      entities jsonb,
      confidence double precision,
      status text not null default 'submitted',
      submitted_at timestamp default (now() at time zone 'UTC'),
      reporter_id uuid,
      image_data text,
      analysis_result text,
      embedding %s
    )$table$, embedding);
end $$;

create table if not exists report_routes (
  id uuid primary key default gen_random_uuid(),
  report_id uuid not null references reports on delete cascade,
  organisation_id uuid not null references organisations on delete cascade,
  message text,
  status text not null default 'sent',
  sent_at timestamp
);

-- found_by tells what a program wrote down from what the search for duplicates found.
create table if not exists related_reports (
  id uuid primary key default gen_random_uuid(),
  report_id uuid not null references reports on delete cascade,
  related_report_id uuid not null references reports on delete cascade,
  similarity_score double precision,
  relationship_type text not null default 'duplicate',
  found_by text not null default 'similarity',
  unique (report_id, related_report_id),
  check (report_id <> related_report_id)
);

-- Reports whose duplicates have been searched for, with the signs of their embedding: see civic_reports.after.sql.
create table if not exists compared_reports (
  report_id uuid primary key references reports on delete cascade,
  signs bit(384)
);

create or replace function reports_compare_again() returns trigger language plpgsql as $$
begin
  delete from compared_reports where report_id = old.id;
  delete from related_reports where found_by = 'similarity' and old.id in (report_id, related_report_id);
  return null;
end $$;

create or replace trigger reports_compare_again after update on reports
  for each row when (old.embedding is distinct from new.embedding) execute function reports_compare_again();

create or replace view reports_embedded as
select count(*) as reports, count(embedding) as embedded, count(*) - count(embedding) as missing from reports;
