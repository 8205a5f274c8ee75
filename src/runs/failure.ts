import type { ClientBase, Pool } from 'pg';
import { explain, locate } from '../base/errors.ts';
import type { AttemptRef } from '../base/events.ts';
import { type Claimed, settleUnloaded, unsettled } from '../control/claims.ts';
import type { ControlSchema } from '../control/db.ts';
import { noteEvent } from '../control/events.ts';
import { guardRun } from '../control/steering.ts';
import { endPacks, limitIdleness } from '../ledger/backends.ts';
import { databaseError } from '../postgres/errors.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJobs, failJob, type PartitionJob, releaseJob } from '../queue/jobs.ts';
import { type Attempt, finishIfSettled } from './commit.ts';
import { isApart, type Services } from './services.ts';

/** An answer that takes longer does not come any more. */
const SETTLE_MS = 30_000;

export function refOf(partition: Claimed, job: string): AttemptRef {
  return { run: partition.run_id, job, partition: partition.key, attempt: partition.attempt };
}

/**
 * Records what kept an attempt from loading, and decides what follows: another attempt after a while, or none. When too
 * many of the first partitions of a run fail, the run is paused.
 */
export async function settleFailure(
  services: Services,
  boss: Boss,
  { claim, partition }: Attempt,
  job: string,
  cause: unknown,
): Promise<void> {
  const { events } = services;
  const ref = refOf(partition, job);
  const error = locate(databaseError(cause), { job, run: ref.run, partition: partition.key, file: partition.file });
  if (error.code === 'INTERRUPTED') return giveBack(services, boss, [{ claim, partition }], job);
  if (error.code === 'CLAIM_LOST') {
    await clearClaims(services, boss, [claim]);
    events.emit('attemptFailed', { ...ref, error, retrying: true });
    return;
  }
  const retrying = error.transient && claim.retryCount < claim.retryLimit;
  const message = explain(error);
  const settled = { state: retrying ? ('pending' as const) : ('failed' as const), code: error.code, error: message };
  await endOnTarget(services, [partition]);
  await outsideOfLoad(services, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    await endConnections(client, [partition]);
    if (!(await settleUnloaded(tx, partition, settled))) return;
    if (retrying) await failJob(boss, tx, QUEUES.partitions, claim, message);
    else {
      await completeJobs(boss, tx, QUEUES.partitions, [claim]);
      if (await guardRun(tx, ref.run)) {
        await noteEvent(tx, { run: ref.run, actor: 'drayage', action: 'paused', detail: { reason: error.message } });
        events.emit('runPaused', { run: ref.run, job, reason: message });
      }
    }
    await finishIfSettled(client, boss, ref.run);
  });
  events.emit('attemptFailed', { ...ref, error, retrying });
}

/** Interruption is no failure: the partitions wait for the next worker, with as many attempts as before. */
export async function giveBack(
  services: Services,
  boss: Boss,
  attempts: readonly Attempt[],
  job: string,
): Promise<void> {
  const partitions = attempts.map(({ partition }) => partition);
  await endOnTarget(services, partitions);
  await outsideOfLoad(services, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    await endConnections(client, partitions);
    for (const { claim, partition } of attempts) {
      if (await settleUnloaded(tx, partition, { state: 'released' })) {
        await releaseJob(boss, tx, claim, partition.attempt);
      }
    }
  });
  for (const { partition } of attempts) services.events.emit('attemptReleased', refOf(partition, job));
}

/**
 * Does away with claims that have no attempt: the job of a partition that is settled is complete, any other goes back
 * into the queue.
 */
export async function clearClaims(
  services: Services,
  boss: Boss,
  claims: readonly Claim<PartitionJob>[],
): Promise<void> {
  if (claims.length === 0) return;
  await outsideOfLoad(services, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    const open = await unsettled(
      tx,
      claims.map(({ data }) => data.partition),
    );
    const [waiting, over] = [claims.filter(isOpen), claims.filter((claim) => !isOpen(claim))];
    await completeJobs(boss, tx, QUEUES.partitions, over);
    for (const claim of waiting) await releaseJob(boss, tx, claim, claim.id);

    function isOpen({ data }: Claim<PartitionJob>): boolean {
      return open.has(data.partition);
    }
  });
}

/**
 * A server that has not heard of the end of a connection would keep what it has locked from whoever comes next; and who
 * does is not told of a pack that was not lost.
 */
async function endConnections(client: ClientBase | Pool, partitions: readonly Claimed[]): Promise<void> {
  await endPacks(client, [...new Set(partitions.flatMap(({ pack }) => pack ?? []))]);
}

/** The same in a target apart. That it is out of reach is no reason not to record what happened: it finds out by itself. */
async function endOnTarget(services: Services, partitions: readonly Claimed[]): Promise<void> {
  if (isApart(services)) await endConnections(services.target, partitions).catch(() => undefined);
}

/** When the database is out of reach, the claim runs out by itself, and another attempt follows. */
async function outsideOfLoad({ pool, events }: Services, work: Parameters<typeof transaction<void>>[1]): Promise<void> {
  try {
    await transaction(
      pool,
      async (client) => {
        await limitIdleness(client);
        await work(client);
      },
      AbortSignal.timeout(SETTLE_MS),
    );
  } catch (error) {
    events.emit('queueError', { error });
  }
}
