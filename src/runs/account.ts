import { DrayageError } from '../base/errors.ts';
import type { Claimed } from '../control/claims.ts';
import type { PartitionOutcome } from './commit.ts';
import type { PreparedJob } from './prepare.ts';

const KEPT_OUT =
  'A trigger that returns null keeps rows out without an error, or passes them on to another table: leave such rows out in ' +
  'the transform, or load the table that they go into.';

/** Nothing may be lost on the way: every row that was read is somewhere, and without a transform all were read. */
export function assertAccounted(outcome: PartitionOutcome, partition: Claimed, { targets, lake }: PreparedJob): void {
  const { read, written, unchanged, superseded, rejected } = outcome;
  const accounted = written + unchanged + superseded + rejected;
  if (read !== accounted) {
    throw new DrayageError('ROWS_UNACCOUNTED', `${read} rows were read and ${accounted} are accounted for`, {
      ...(accounted < read ? { hint: KEPT_OUT } : {}),
    });
  }
  const [only, other] = lake?.datasets ?? targets;
  const whole = !other && !only!.transform && !(only!.target.kind === 'table' && only!.target.split);
  if (!whole || partition.rows_planned === null || partition.rows_planned === read) return;
  throw new DrayageError('ROWS_UNACCOUNTED', `The source announced ${partition.rows_planned} rows and gave ${read}`, {
    hint: 'The file contradicts its own footer; write it anew.',
  });
}
