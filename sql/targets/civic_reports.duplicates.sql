-- Fills related_reports with reports whose embeddings point almost the same way. Only reports that are new or changed
-- are looked up, some at a time, each lot in a transaction of its own: it can be cut short, and goes on where it was.

create or replace procedure find_duplicates(at_least float8 default 0.9, most integer default 10)
language plpgsql as $$
declare
  lot uuid[];
  by_index constant boolean := exists (select from pg_attribute where attrelid = 'reports'::regclass
    and attname = 'embedding' and format_type(atttypid, null) ~ '(^|\.)vector$');
  -- Of two directions with this cosine, so many of 384 signs differ; eight standard deviations more hardly ever do.
  share constant float8 := acos(at_least) / pi();
  most_signs constant float8 := 384 * share + 8 * sqrt(384 * share * (1 - share));
begin
  loop
    lot := array(
      select id from reports r
      where embedding is not null and not exists (select from compared_reports where report_id = r.id)
      order by submitted_at, id limit 500);
    exit when cardinality(lot) = 0;
    if by_index then
      insert into compared_reports (report_id) select unnest(lot) on conflict do nothing;
      create temp table found on commit drop as
        select r.id as one, near.id as other, near.similarity
        from reports r, similar_reports(r.embedding, most + 1, at_least) near
        where r.id = any (lot) and near.id <> r.id;
    else
      insert into compared_reports (report_id, signs)
        select id, signs_of(embedding) from reports where id = any (lot) on conflict do nothing;
      create temp table found on commit drop as
        select one, other, similarity from (
          select *, row_number() over (partition by one order by similarity desc, other) as place
          from (
            select a.report_id as one, b.report_id as other, cosine_similarity(x.embedding, y.embedding) as similarity
            from compared_reports a
            join compared_reports b on bit_count(a.signs # b.signs) <= most_signs and a.report_id <> b.report_id
            join reports x on x.id = a.report_id
            join reports y on y.id = b.report_id
            where a.report_id = any (lot)
          ) near
          where similarity between at_least and 1.000001
        ) placed
        where place <= most;
    end if;
    -- The later report is the duplicate of the earlier one; what a program wrote down stays as it is.
    insert into related_reports (report_id, related_report_id, similarity_score)
      select distinct on (later.id, earlier.id) later.id, earlier.id, least(found.similarity, 1)
      from found
      join reports a on a.id = found.one
      join reports b on b.id = found.other
      cross join lateral (
        select (array_agg(both_of.id order by submitted_at desc nulls first, both_of.id desc))[1] as id
        from (values (a.id, a.submitted_at), (b.id, b.submitted_at)) both_of(id, submitted_at)
      ) later
      cross join lateral (select case when later.id = a.id then b.id else a.id end as id) earlier
      where not exists (
        select from related_reports known
        where (known.report_id, known.related_report_id) in ((a.id, b.id), (b.id, a.id)))
      order by later.id, earlier.id
      on conflict do nothing;
    commit;
  end loop;
end $$;

call find_duplicates();
