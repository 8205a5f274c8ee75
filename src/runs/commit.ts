import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { type Claimed, holdAll, isCancelled, type Loaded, settleLoaded } from '../control/claims.ts';
import { noteCoercions } from '../control/coercions.ts';
import type { ControlSchema } from '../control/db.ts';
import { insertRejects } from '../control/rejects.ts';
import { beginFinalizing, type Run } from '../control/runs.ts';
import { endPacks, limitIdleness, namePack } from '../ledger/backends.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { parseRejectLimit } from '../model/limits.ts';
import type { Coercion, KeepRejects, LoadCounts, Reject, Warning } from '../model/sink.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJobs, insertFinalizeJob, type PartitionJob } from '../queue/jobs.ts';
import { ringBell } from '../queue/wake.ts';
import { rowsExpected } from './account.ts';
import type { PreparedJob } from './prepare.ts';
import { RejectKeeper } from './rejects.ts';

/** One attempt at a partition that is about to be loaded. */
export interface Attempt {
  claim: Claim<PartitionJob>;
  partition: Claimed;
}

/** Attempts that share a transaction: one, unless the partitions are tiny. */
export interface Pack {
  /** Names the transaction's connection. */
  name: string;
  run: Run;
  prepared: PreparedJob;
  /** Of the places that are filled. */
  ledger: Ledger;
  attempts: readonly Attempt[];
}

/** What became of the partition's rows, all tables together. */
export interface PartitionOutcome extends LoadCounts {
  checksum: string;
  /** By table, what the rows lost by permission. */
  coercions: ReadonlyMap<string, readonly Coercion[]>;
  warnings: readonly Warning[];
}

/** Reads, transforms and sends the rows of a partition on the given connection. */
export type Load = (client: pg.PoolClient, partition: Claimed, keepRejects: KeepRejects) => Promise<PartitionOutcome>;

/** A partition that is settled; without an outcome when its content was there already. */
export interface Committed {
  partition: Claimed;
  outcome: PartitionOutcome | undefined;
}

/** How a pack goes on. */
export interface Course {
  signal: AbortSignal;
  /** Asked after each partition whether the transaction has lasted long enough. */
  enough: () => boolean;
  /** Told when the control database knows the connection by the pack's name. */
  named: () => void;
}

/**
 * The exactly-once protocol, and the only place that knows its order: rows, rejects, ledger, progress and queue jobs
 * become true in one transaction, or none of them does. For tables in another database, see `commit-apart.ts`.
 *
 *  1. End the connections of earlier attempts: a frozen worker may hold locks that this one would wait for.
 *  2. Enter the content into the ledger: a twin that loads the same content waits here, and then has nothing to do.
 *  3. Load the rows and keep the rejects.
 *  4. Settle the partitions and complete the jobs, both fenced by the attempts: a worker that lost a claim stops here.
 *  5. The one that settles the last partition sends the run to its finish.
 *
 * @returns the partitions that were settled, from the first on
 * @throws CLAIM_LOST when another attempt has taken over, TOO_MANY_REJECTS; nothing is committed then
 */
export async function commitPack(
  pool: pg.Pool,
  boss: Boss,
  { name, run, prepared, ledger, attempts }: Pack,
  load: Load,
  { signal, enough, named }: Course,
): Promise<Committed[]> {
  const work = async (client: pg.PoolClient) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    const lost = attempts.flatMap(({ partition }) => partition.lost_pack ?? []);
    await endPacks(client, lost);
    await namePack(client, name);
    named();
    const partitions = attempts.map(({ partition }) => partition);
    if (!(await holdAll(tx, partitions))) throw claimLost();

    const committed: Committed[] = [];
    for (const partition of partitions) {
      committed.push({ partition, outcome: await loadOnce(client, { run, prepared, ledger }, partition, load) });
      if (enough()) break;
    }
    const loads = committed.flatMap(({ partition: { fingerprint }, outcome }) =>
      outcome ? [{ fingerprint, written: outcome.written, checksum: outcome.checksum }] : [],
    );
    await ledger.complete(client, loads);

    await limitIdleness(client);
    await settlePack(client, boss, run, attempts, committed);
    return committed;
  };
  return transaction(pool, work, signal);
}

/** Steps 4 and 5. @param committed the first ones of the attempts @throws CLAIM_LOST */
export async function settlePack(
  client: pg.PoolClient,
  boss: Boss,
  run: Run,
  attempts: readonly Attempt[],
  committed: readonly Committed[],
): Promise<void> {
  const tx = kyselyOnClient<ControlSchema>(client);
  const settled = committed.map(({ partition: { id, attempt }, outcome }): Loaded => ({ id, attempt, outcome }));
  if ((await settleLoaded(tx, settled)) < settled.length || (await isCancelled(tx, run.id))) throw claimLost();
  const claims = attempts.slice(0, committed.length).map(({ claim }) => claim);
  if (!(await completeJobs(boss, tx, QUEUES.partitions, claims))) throw claimLost();
  await finishIfSettled(client, boss, run.id);
}

/** @returns undefined when the content is there already */
async function loadOnce(
  client: pg.PoolClient,
  { run, prepared, ledger }: Pick<Pack, 'run' | 'prepared' | 'ledger'>,
  partition: Claimed,
  load: Load,
): Promise<PartitionOutcome | undefined> {
  const tx = kyselyOnClient<ControlSchema>(client);
  const { fingerprint, key, id } = partition;
  const entry = { fingerprint, job: run.job, partition: key, run: run.id };
  if (!(await ledger.enter(client, entry, run.forced))) return undefined;
  const keeper = keeperOf({ run, prepared }, partition, (rejects) => insertRejects(tx, run.id, id, rejects));
  const outcome = await load(client, partition, keeper.keep);
  keeper.assertWithin(outcome);
  for (const [table, coercions] of outcome.coercions) {
    await noteCoercions(tx, { run: run.id, partition: id, table }, coercions);
  }
  return outcome;
}

export function keeperOf(
  { run, prepared }: Pick<Pack, 'run' | 'prepared'>,
  { rows_planned: planned }: Claimed,
  write: (rejects: readonly Reject[]) => Promise<void>,
): RejectKeeper {
  const limit = run.max_rejects === null ? undefined : parseRejectLimit(run.max_rejects);
  return new RejectKeeper(limit, rowsExpected(planned, prepared), write);
}

/** Sends the run to its finish if this transaction settled its last partition. */
export async function finishIfSettled(client: pg.PoolClient, boss: Boss, run: number): Promise<void> {
  const tx = kyselyOnClient<ControlSchema>(client);
  const round = await beginFinalizing(tx, run);
  if (round === undefined) return;
  await insertFinalizeJob(boss, tx, run, round);
  await ringBell(client);
}

export function claimLost(): DrayageError {
  return new DrayageError('CLAIM_LOST', 'Another worker has taken this over', {
    hint: 'Nothing needs to be done: what this attempt did was rolled back.',
  });
}
