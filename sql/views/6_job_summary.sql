-- One row per job: all of its runs together, and when it last went well.
create view drayage.job_summary as
select
  job,
  count(*) as runs,
  count(*) filter (where state in ('planning', 'queued', 'running', 'paused', 'finalizing')) as runs_open,
  count(*) filter (where state = 'succeeded') as runs_succeeded,
  count(*) filter (where state = 'completed_with_rejects') as runs_with_rejects,
  count(*) filter (where state = 'failed') as runs_failed,
  count(*) filter (where state = 'finalizing') as runs_finalizing,
  sum(partitions_pending)::bigint as partitions_pending,
  sum(partitions_running)::bigint as partitions_running,
  sum(partitions_done)::bigint as partitions_done,
  sum(partitions_skipped)::bigint as partitions_skipped,
  sum(partitions_failed)::bigint as partitions_failed,
  sum(partitions_cancelled)::bigint as partitions_cancelled,
  sum(rows_read)::bigint as rows_read,
  sum(rows_written)::bigint as rows_written,
  sum(rows_unchanged)::bigint as rows_unchanged,
  sum(rows_superseded)::bigint as rows_superseded,
  sum(rows_rejected)::bigint as rows_rejected,
  sum(rows_deleted)::bigint as rows_deleted,
  sum(bytes_read)::bigint as bytes_read,
  (array_agg(state order by id desc))[1] as last_state,
  max(finished_at) as last_finished_at,
  max(finished_at) filter (where state = 'succeeded') as last_success_at
from drayage.runs
group by job
order by job;
