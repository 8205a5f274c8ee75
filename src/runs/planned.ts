import { DrayageError, explain } from '../base/errors.ts';
import type { ControlDb } from '../control/db.ts';
import { type NewPartition, replannedPartitions } from '../control/partitions.ts';
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

/** The same items, the first of which is fetched from now on; to be given up when nobody is going to want them. */
export function begun<Item>(items: AsyncIterable<Item>): AsyncIterable<Item> & { giveUp(): Promise<void> } {
  const iterator = items[Symbol.asyncIterator]();
  const first = iterator.next();
  // Whoever asks for it is told; until then nobody is.
  first.catch(() => undefined);
  return {
    async giveUp() {
      await iterator.return?.();
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (let next = await first; !next.done; next = await iterator.next()) yield next.value;
      } finally {
        await iterator.return?.();
      }
    },
  };
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

/**
 * A source gives its partitions in a stable order, so those that the run has come first. Others in between may be of the
 * same rows, cut otherwise.
 * @param known how many of the plans that are
 * @throws SOURCE_CHANGED
 */
export async function assertAsPlanned(
  tx: ControlDb,
  run: number,
  plans: readonly PartitionPlan[],
  known: number,
): Promise<void> {
  const [key] = await replannedPartitions(tx, run, plans, known);
  if (key !== undefined) throw changedSince(run, key);
}

export function changedSince(run: number, key?: string): DrayageError {
  return new DrayageError('SOURCE_CHANGED', `The source has changed since run ${run} was begun`, {
    where: key === undefined ? {} : { partition: key },
    hint: 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.',
  });
}
