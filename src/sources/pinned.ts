import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import type { PartitionPlan } from '../model/source.ts';

type Pins = Pick<PartitionPlan, 'spec'>['spec'];

/**
 * Holds a file against what was pinned when the partition was planned.
 * @param root given: look at the file anew; left out: trust what was found a moment ago
 * @throws SOURCE_CHANGED
 */
export async function assertSame(
  found: { path: string; size: number; modifiedMs: number },
  pins: Pins,
  root?: string,
): Promise<void> {
  let { size, modifiedMs } = found;
  if (root !== undefined) {
    const now = await stat(resolve(root, found.path)).catch(() => undefined);
    size = now?.size ?? -1;
    modifiedMs = now?.mtimeMs ?? -1;
  }
  if (size === pins.size && modifiedMs === pins.modifiedMs) return;
  throw new DrayageError('SOURCE_CHANGED', `The source changed after it was planned`, {
    where: { file: found.path },
    hint: 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.',
  });
}
