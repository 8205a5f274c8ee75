import type { Kysely } from 'kysely';
import { fromKysely, type JobWithMetadata } from 'pg-boss';
import { deterministicUuid } from '../base/ids.ts';
import { type Boss, QUEUES } from './boss.ts';

/** A transaction that the queue's statements take part in. */
// biome-ignore lint/suspicious/noExplicitAny: any schema will do, the queue brings its own statements
export type QueueTransaction = Kysely<any>;

export interface PartitionJob {
  run: number;
  partition: number;
}

/** A claimed job. `(id, retryCount)` names the claim: pg-boss ignores what an earlier claim says. */
export type Claim<Data> = Pick<JobWithMetadata<Data>, 'id' | 'retryCount' | 'retryLimit' | 'data'>;

const db = (tx: QueueTransaction) => fromKysely(tx as never);

/** Enqueues partitions; ids are derived from them, so that a repetition adds nothing. */
export async function insertPartitionJobs(
  boss: Boss,
  tx: QueueTransaction,
  run: number,
  partitions: readonly number[],
  retries: number,
): Promise<void> {
  if (partitions.length === 0) return;
  const jobs = partitions.map((partition) => ({
    id: deterministicUuid('partition', String(partition)),
    data: { run, partition } satisfies PartitionJob,
    retryLimit: retries,
    group: { id: `run-${run}` },
  }));
  await boss.insert(QUEUES.partitions, jobs, { db: db(tx), returnId: false });
}

export async function insertFinalizeJob(boss: Boss, tx: QueueTransaction, run: number): Promise<void> {
  const id = deterministicUuid('finalize', String(run));
  await boss.insert(QUEUES.finalize, [{ id, data: { run } }], { db: db(tx) });
}

export async function fetchJobs<Data>(boss: Boss, queue: string, limit: number): Promise<Claim<Data>[]> {
  return boss.fetch<Data>(queue, { batchSize: limit, includeMetadata: true });
}

/** @returns false when the claim was lost: then the caller's transaction must not commit */
export async function completeJob(
  boss: Boss,
  tx: QueueTransaction,
  queue: string,
  claim: Claim<unknown>,
): Promise<boolean> {
  const { affected } = (await boss.complete(queue, attemptOf(claim), null, { db: db(tx) })) as { affected: number };
  return affected > 0;
}

/** Counts a failure: the queue tries again after a while, or moves the job to the dead letters. */
export async function failJob(
  boss: Boss,
  tx: QueueTransaction,
  queue: string,
  claim: Claim<unknown>,
  message: string,
): Promise<void> {
  await boss.fail(queue, attemptOf(claim), { message }, { db: db(tx) });
}

/**
 * Puts a job back as if it had not been claimed. pg-boss has no such call that spares the retry count, so the job makes
 * room for a new one with the retries that were left.
 * @param attempt of the partition, which makes the new id
 */
export async function releaseJob(
  boss: Boss,
  tx: QueueTransaction,
  claim: Claim<PartitionJob>,
  attempt: number,
): Promise<void> {
  const { run, partition } = claim.data;
  const id = deterministicUuid('partition', String(partition), String(attempt));
  await replaceJob(boss, tx, QUEUES.partitions, claim, { id, group: { id: `run-${run}` } });
}

/** As `releaseJob`, for the job that finishes a run. */
export async function releaseFinalizeJob(
  boss: Boss,
  tx: QueueTransaction,
  claim: Claim<{ run: number }>,
): Promise<void> {
  const id = deterministicUuid('finalize', String(claim.data.run), claim.id, String(claim.retryCount));
  await replaceJob(boss, tx, QUEUES.finalize, claim, { id });
}

async function replaceJob(
  boss: Boss,
  tx: QueueTransaction,
  queue: string,
  claim: Claim<object>,
  job: { id: string; group?: { id: string } },
): Promise<void> {
  await boss.deleteJob(queue, attemptOf(claim), { db: db(tx) });
  const retryLimit = Math.max(0, claim.retryLimit - claim.retryCount);
  await boss.insert(queue, [{ ...job, data: claim.data, retryLimit }], { db: db(tx) });
}

/**
 * Tells the queue that the claims are alive.
 * @returns ids of those that are still held
 */
export async function beat(boss: Boss, queue: string, claims: readonly Claim<unknown>[]): Promise<Set<string>> {
  const { settled } = (await boss.touch(queue, claims.map(attemptOf))) as { settled?: string[] | null };
  return new Set(settled);
}

function attemptOf({ id, retryCount }: Claim<unknown>): { id: string; retryCount: number } {
  return { id, retryCount };
}
