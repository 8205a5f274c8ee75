-- Rejects by run, column and reason, the most frequent first.
create view drayage.reject_summary as
select
  run_id as run,
  table_name,
  column_name,
  reason,
  count(*) as rows,
  min(message) as example
from drayage.rejects
group by run_id, table_name, column_name, reason
order by run_id, count(*) desc;
