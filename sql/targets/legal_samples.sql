-- Legal training samples (docs/jobs/legal-samples.md). The lists that the columns were meant for are a matter of
-- reporting, not of refusal: see legal_samples_outside_lists.

create table legal_samples (
  id varchar(200) primary key,
  question text not null,
  answer text not null,
  topic varchar(200) not null,
  difficulty varchar(50) not null,
  case_citation text not null,
  reasoning text not null,
  jurisdiction varchar(50) default 'uk',
  batch_id varchar(100),
  sample_type varchar(50) default 'case_analysis',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create function legal_samples_touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;

create trigger legal_samples_touch before update on legal_samples
  for each row when (old.* is distinct from new.*) execute function legal_samples_touch();

create view legal_samples_outside_lists as
select 'difficulty' as column_name, difficulty as value, count(*) as rows from legal_samples
where difficulty not in ('basic', 'intermediate', 'advanced', 'expert') group by difficulty
union all
select 'jurisdiction', jurisdiction, count(*) from legal_samples
where jurisdiction not in ('uk', 'us', 'eu', 'international') group by jurisdiction
union all
select 'sample_type', sample_type, count(*) from legal_samples
where sample_type not in ('case_analysis', 'educational', 'client_interaction', 'statutory_interpretation')
group by sample_type;
