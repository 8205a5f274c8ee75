import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { noteCoercions } from '../control/coercions.ts';
import type { ControlSchema } from '../control/db.ts';
import { holdsPartition, type Partition, settlePartition } from '../control/partitions.ts';
import { insertRejects } from '../control/rejects.ts';
import { beginFinalizing } from '../control/runs.ts';
import { endEarlierAttempts, limitIdleness, nameAttempt } from '../ledger/backends.ts';
import { completeLoad, enterLoad } from '../ledger/loads.ts';
import type { RejectLimit } from '../model/limits.ts';
import type { Coercion, KeepRejects, LoadCounts, Warning } from '../model/sink.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJob, insertFinalizeJob, type PartitionJob } from '../queue/jobs.ts';
import { ringBell } from '../queue/wake.ts';
import { RejectKeeper } from './rejects.ts';

/** One attempt at a partition that is about to be loaded. */
export interface Attempt {
  claim: Claim<PartitionJob>;
  partition: Partition;
  job: string;
  /** OIDs of the target tables. */
  targets: readonly number[];
  forced: boolean;
  /** Rejects that are put up with; undefined for any number. */
  limit: RejectLimit | undefined;
}

/** What became of the partition's rows, all tables together. */
export interface PartitionOutcome extends LoadCounts {
  checksum: string;
  /** By table, what the rows lost by permission. */
  coercions: ReadonlyMap<string, readonly Coercion[]>;
  warnings: readonly Warning[];
}

/** Reads, transforms and sends the rows on the given connection. */
export type Load = (client: pg.PoolClient, keepRejects: KeepRejects) => Promise<PartitionOutcome>;

/**
 * The exactly-once protocol, and the only place that knows its order: rows, rejects, ledger, progress and queue job
 * become true in one transaction, or none of them does.
 *
 *  1. End the connections of earlier attempts: a frozen worker may hold locks that this one would wait for.
 *  2. Enter the content into the ledger: a twin that loads the same content waits here, and then has nothing to do.
 *  3. Load the rows and keep the rejects.
 *  4. Settle the partition and complete the job, both fenced by the attempt: a worker that lost its claim stops here.
 *  5. The one that settles the last partition sends the run to its finish.
 *
 * @returns undefined when the content was there already
 * @throws CLAIM_LOST when another attempt has taken over, TOO_MANY_REJECTS; nothing is committed then
 */
export async function commitAttempt(
  pool: pg.Pool,
  boss: Boss,
  attempt: Attempt,
  load: Load,
  signal: AbortSignal,
): Promise<PartitionOutcome | undefined> {
  const { claim, partition, job, targets, forced, limit } = attempt;
  const run = partition.run_id;
  const key = { fingerprint: partition.fingerprint, targets };
  const work = async (client: pg.PoolClient) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    if (partition.attempt > 1) await endEarlierAttempts(client, partition.id);
    await nameAttempt(client, partition.id, partition.attempt);
    if (!(await holdsPartition(tx, partition))) throw claimLost();

    const isNew = await enterLoad(client, { ...key, job, partition: partition.key, run }, forced);
    const keeper = new RejectKeeper(limit, (rejects) => insertRejects(tx, run, partition.id, rejects));
    const outcome = isNew ? await load(client, keeper.keep) : undefined;
    if (outcome) {
      keeper.assertWithin(outcome);
      await completeLoad(client, key, outcome);
      for (const [table, coercions] of outcome.coercions) {
        await noteCoercions(tx, { run, partition: partition.id, table }, coercions);
      }
    }

    await limitIdleness(client);
    const settled = outcome ? ({ state: 'done', outcome } as const) : ({ state: 'skipped' } as const);
    if (!(await settlePartition(tx, partition, settled))) throw claimLost();
    if (!(await completeJob(boss, tx, QUEUES.partitions, claim))) throw claimLost();
    await finishIfSettled(client, boss, run);
    return outcome;
  };
  return transaction(pool, work, signal);
}

/** Sends the run to its finish if this transaction settled its last partition. */
export async function finishIfSettled(client: pg.PoolClient, boss: Boss, run: number): Promise<void> {
  const tx = kyselyOnClient<ControlSchema>(client);
  if (!(await beginFinalizing(tx, run))) return;
  await insertFinalizeJob(boss, tx, run);
  await ringBell(client);
}

export function claimLost(): DrayageError {
  return new DrayageError('CLAIM_LOST', 'Another worker has taken this over', {
    hint: 'Nothing needs to be done: what this attempt did was rolled back.',
  });
}
