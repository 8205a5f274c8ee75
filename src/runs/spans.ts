import type { AttemptSpans } from '../base/trace.ts';
import type { Claimed } from '../control/claims.ts';
import type { PartitionOutcome } from './commit.ts';

/** Loads a partition within a span of its own, which says what it was about and what became of its rows. */
export function traceAttempt(
  spans: AttemptSpans,
  { id, run_id, key, file, attempt }: Claimed,
  job: string,
  load: () => Promise<PartitionOutcome>,
): Promise<PartitionOutcome> {
  const about = {
    'drayage.job': job,
    'drayage.run': run_id,
    'drayage.partition': key,
    'drayage.file': file,
    'drayage.attempt': attempt,
  };
  return spans.attempt(id, about, load, ({ read, written, unchanged, superseded, rejected }) => ({
    'drayage.rows.read': read,
    'drayage.rows.written': written,
    'drayage.rows.unchanged': unchanged,
    'drayage.rows.superseded': superseded,
    'drayage.rows.rejected': rejected,
  }));
}
