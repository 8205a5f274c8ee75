import { DrayageError } from '../base/errors.ts';
import type { Claimed } from '../control/claims.ts';
import type { LoadCounts } from '../model/sink.ts';
import type { PreparedJob } from './prepare.ts';

const KEPT_OUT =
  'A trigger that returns null keeps rows out without an error, or passes them on to another table: leave such rows out in ' +
  'the transform, or load the table that they go into.';

/** Nothing may be lost on the way: every row that was read is somewhere, and without a transform all were read. */
export function assertAccounted(outcome: LoadCounts, partition: Claimed, prepared: PreparedJob): void {
  const { read, written, unchanged, superseded, rejected } = outcome;
  const accounted = written + unchanged + superseded + rejected;
  if (read !== accounted) {
    throw new DrayageError('ROWS_UNACCOUNTED', `${read} rows were read and ${accounted} are accounted for`, {
      ...(accounted < read ? { hint: KEPT_OUT } : {}),
    });
  }
  const expected = rowsExpected(partition.rows_planned, prepared);
  if (expected === undefined || expected === read) return;
  throw new DrayageError('ROWS_UNACCOUNTED', `The source announced ${expected} rows and gave ${read}`, {
    hint: 'The file contradicts its own footer; write it anew.',
  });
}

/** How many rows a partition of the source will give, where one table takes them as they are. @param planned as the source announced */
export function rowsExpected(planned: number | null, { targets, lake }: PreparedJob): number | undefined {
  const [only, other] = lake?.datasets ?? targets;
  const whole = !other && !only!.transform && !(only!.target.kind === 'table' && only!.target.split);
  return whole && planned !== null ? planned : undefined;
}
