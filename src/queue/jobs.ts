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

/**
 * Enqueues partitions; ids are derived from them, so that a repetition adds nothing.
 * @param partitions by id, with the number of attempts that they have had
 */
export async function insertPartitionJobs(
  boss: Boss,
  tx: QueueTransaction,
  run: number,
  partitions: readonly { id: number; attempt: number }[],
  retries: number,
): Promise<void> {
  if (partitions.length === 0) return;
  const jobs = partitions.map(({ id, attempt }) => ({
    id: deterministicUuid('partition', String(id), String(attempt)),
    data: { run, partition: id } satisfies PartitionJob,
    retryLimit: retries,
    group: { id: groupOf(run) },
  }));
  await boss.insert(QUEUES.partitions, jobs, { db: db(tx), returnId: false });
}

/** @param round of the run: each has an end of its own */
export async function insertFinalizeJob(boss: Boss, tx: QueueTransaction, run: number, round: number): Promise<void> {
  const id = deterministicUuid('finalize', String(run), String(round));
  await boss.insert(QUEUES.finalize, [{ id, data: { run } }], { db: db(tx) });
}

/** @param runs whose jobs stay where they are */
export async function fetchJobs<Data>(
  boss: Boss,
  queue: string,
  limit: number,
  runs: readonly number[] = [],
): Promise<Claim<Data>[]> {
  return boss.fetch<Data>(queue, { batchSize: limit, includeMetadata: true, ignoreGroups: runs.map(groupOf) });
}

/** @returns whether all claims were still held: otherwise the caller's transaction must not commit */
export async function completeJobs(
  boss: Boss,
  tx: QueueTransaction,
  queue: string,
  claims: readonly Claim<unknown>[],
): Promise<boolean> {
  if (claims.length === 0) return true;
  const { affected } = (await boss.complete(queue, claims.map(attemptOf), null, { db: db(tx) })) as {
    affected: number;
  };
  return affected === claims.length;
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
 * @param mark something that is new, for the new id
 */
export async function releaseJob(
  boss: Boss,
  tx: QueueTransaction,
  claim: Claim<PartitionJob>,
  mark: string | number,
): Promise<void> {
  const { run, partition } = claim.data;
  const id = deterministicUuid('partition', String(partition), String(mark));
  await replaceJob(boss, tx, QUEUES.partitions, claim, { id, group: { id: groupOf(run) } });
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
  const { affected } = (await boss.deleteJob(queue, attemptOf(claim), { db: db(tx) })) as { affected: number };
  // Whoever has taken the claim over has the job.
  if (affected === 0) return;
  const retryLimit = Math.max(0, claim.retryLimit - claim.retryCount);
  await boss.insert(queue, [{ ...job, data: claim.data, retryLimit }], { db: db(tx) });
}

/** A statement that somebody else is going to send. */
export interface Statement {
  text: string;
  values: unknown[];
}

/** The statement that tells the queue that the claims are alive, as pg-boss writes it. */
export async function beatOf(boss: Boss, queue: string, claims: readonly Claim<unknown>[]): Promise<Statement> {
  let statement: Statement | undefined;
  const recorder = {
    executeSql: async (text: string, values: unknown[] = []) => {
      statement = { text, values };
      return { rows: [{ count: '0', ids: [] }] };
    },
  };
  await boss.touch(queue, claims.map(attemptOf), { db: recorder });
  return statement!;
}

const groupOf = (run: number) => `run-${run}`;

function attemptOf({ id, retryCount }: Claim<unknown>): { id: string; retryCount: number } {
  return { id, retryCount };
}

/** Jobs that are taken out of the queue at a time. */
const REMOVED_AT_ONCE = 10_000;

/**
 * Takes the waiting jobs of a run out of the queue. pg-boss removes jobs by their ids alone, which would have to be
 * listed first.
 * @returns how many there were, fewer than asked for when none is left
 */
export async function removeJobs(boss: Boss, run: number): Promise<number> {
  const { rows } = await boss.getDb().executeSql(
    `with waiting as (
       select ctid from pgboss.job where name = $1 and group_id = $2 and state < 'active' limit ${REMOVED_AT_ONCE}
     ), removed as (delete from pgboss.job j using waiting w where j.ctid = w.ctid and j.state < 'active' returning 1)
     select count(*)::int as removed from removed`,
    [QUEUES.partitions, groupOf(run)],
  );
  return rows[0].removed;
}
