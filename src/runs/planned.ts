import { DrayageError, explain } from '../base/errors.ts';
import type { NewPartition } from '../control/partitions.ts';
import type { PartitionPlan } from '../model/source.ts';

/** A plan as the control schema keeps it. @param loaded fingerprints of what is in the tables already */
export function newPartition({ problem, ...plan }: PartitionPlan, loaded: ReadonlySet<string>): NewPartition {
  if (problem) return { ...plan, state: 'failed', error_code: problem.code, error: explain(problem) };
  return { ...plan, state: loaded.has(plan.fingerprint) ? 'skipped' : 'pending' };
}

/** What is wrong when no partition can be loaded. */
export function severalProblems(plans: readonly PartitionPlan[]): DrayageError {
  const first = plans[0]!.problem!;
  if (plans.length === 1) return first;
  const others = `None of the ${plans.length} partitions can be loaded; the first one because: `;
  return new DrayageError(first.code, others + first.message, {
    where: first.where,
    ...(first.hint ? { hint: first.hint } : {}),
    cause: first,
  });
}

export async function* inBatches<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
