-- Built when all rows are in. Every statement does no harm when it is run again.

create index if not exists reports_status on reports (status);
create index if not exists reports_category on reports (category);
create index if not exists reports_submitted_at on reports (submitted_at desc);
create index if not exists reports_reporter_id on reports (reporter_id);
create index if not exists report_routes_report_id on report_routes (report_id);
create index if not exists report_routes_organisation_id on report_routes (organisation_id);
create index if not exists related_reports_related_report_id on related_reports (related_report_id);

-- Reporters that reports name and nobody has described.
insert into reporters (id, is_anonymous)
select distinct reporter_id, true from reports r
where reporter_id is not null and not exists (select from reporters where id = r.reporter_id)
on conflict do nothing;

-- The cosine of the angle between two arrays; null when one of them is zero, since it then points nowhere.
create or replace function cosine_similarity(a real[], b real[]) returns double precision
language sql immutable strict parallel safe as $$
  select sum(x * y) / nullif(sqrt(sum(x * x)) * sqrt(sum(y * y)), 0)
  from (select x::float8, y::float8 from unnest(a, b) pairs(x, y)) pairs
$$;

-- The sign of each number: two arrays that point the same way have most of them in common.
create or replace function signs_of(embedding real[]) returns bit(384)
language sql immutable strict parallel safe as $$
  select string_agg(case when x >= 0 then '1' else '0' end, '' order by place)::bit(384)
  from unnest(embedding) with ordinality numbers(x, place)
$$;

-- The reports nearest to an embedding, best first: by the index where embeddings are vectors, else by looking at all of
-- them. The distance to a zero vector is NaN, which Postgres holds to be larger than any number: hence the upper bound.
do $do$
begin
  if exists (select from pg_attribute where attrelid = 'reports'::regclass and attname = 'embedding'
      and format_type(atttypid, null) ~ '(^|\.)vector$') then
    create index if not exists reports_embedding on reports using hnsw (embedding vector_cosine_ops);
    execute $function$
      create or replace function similar_reports(wanted vector, most integer default 5, at_least float8 default 0)
      returns table (id uuid, similarity float8) language sql stable as $$
        select near.id, near.similarity from (
          select r.id, 1 - (r.embedding <=> wanted) as similarity from reports r
          where r.embedding is not null order by r.embedding <=> wanted limit most
        ) near
        where near.similarity between at_least and 1.000001 order by near.similarity desc, near.id
      $$
    $function$;
  else
    execute $function$
      create or replace function similar_reports(wanted real[], most integer default 5, at_least float8 default 0)
      returns table (id uuid, similarity float8) language sql stable as $$
        select near.id, near.similarity from (
          select r.id, cosine_similarity(r.embedding, wanted) as similarity from reports r
        ) near
        where near.similarity between at_least and 1.000001 order by near.similarity desc, near.id limit most
      $$
    $function$;
  end if;
end $do$;

