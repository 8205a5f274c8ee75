import { userInfo } from 'node:os';
import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { noteEvent } from '../control/events.ts';
import { limitTable } from '../control/limits.ts';
import { lockRun, type Run } from '../control/runs.ts';
import * as steering from '../control/steering.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';
import { insertFinalizeJob, insertPartitionJobs, removeJobs } from '../queue/jobs.ts';
import { ringBell } from '../queue/wake.ts';
import { finishIfSettled } from './commit.ts';
import { loadJob } from './load-jobs.ts';
import type { Services } from './services.ts';

/** Who does something to a run; the operating system's user where nobody has signed in. */
export const systemActor = (): string => userInfo().username;

export interface Steered {
  run: number;
  job: string;
  /** As it is now. */
  state: string;
  /** Partitions that this has changed. */
  partitions: number;
}

/**
 * Keeps workers from claiming any more of a run, and lets them give back what they have begun, within two seconds.
 * @param options.drain lets what is under way end instead
 * @throws RUN_NOT_FOUND, STATE_REFUSED
 */
export function pauseRun(
  services: Services,
  run: number,
  { actor, drain, reason = `paused by ${actor}` }: { actor: string; drain: boolean; reason?: string },
): Promise<Steered> {
  return steer(services, run, actor, 'paused', { drain }, async ({ tx, found }) => {
    const paused = await steering.pauseRun(tx, run, reason, drain);
    if (!paused) throw refused(found, 'paused', 'Only a run that is queued or running can be paused.');
    return 0;
  });
}

/** @throws RUN_NOT_FOUND, STATE_REFUSED */
export function resumeRun(services: Services, boss: Boss, run: number, actor: string): Promise<Steered> {
  return steer(services, run, actor, 'resumed', {}, async ({ client, tx, found }) => {
    if (!(await steering.resumeRun(tx, run))) throw refused(found, 'resumed', 'Only a paused run can be resumed.');
    await finishIfSettled(client, boss, run);
    return 0;
  });
}

/**
 * Ends a run: nothing of it can commit any more, and what is in its tables stays there.
 * @throws RUN_NOT_FOUND, STATE_REFUSED
 */
export async function cancelRun(services: Services, boss: Boss, run: number, actor: string): Promise<Steered> {
  const steered = await steer(services, run, actor, 'cancelled', {}, async ({ tx, found }) => {
    const round = await steering.cancelRun(tx, run);
    if (round === undefined) throw refused(found, 'cancelled', 'It has ended, or is about to.');
    // Tables that were made for the run are done away with by the worker that gets this.
    await insertFinalizeJob(boss, tx, run, round);
    return found.partitions_pending + found.partitions_running;
  });
  // Should this be cut short, that worker does it; and jobs are cleared when they are met.
  await steering.cancelPartitions(services.db, run);
  while ((await removeJobs(boss, run)) > 0);
  return steered;
}

/** Changes how a run is carried out, while it is. @throws RUN_NOT_FOUND, STATE_REFUSED */
export function setRun(
  services: Services,
  run: number,
  settings: steering.RunSettings,
  actor: string,
): Promise<Steered> {
  return steer(services, run, actor, 'set', { ...settings }, async ({ tx, found }) => {
    if (!(await steering.setRun(tx, run, settings))) throw refused(found, 'changed', 'It has ended.');
    return 0;
  });
}

/** Limits the transactions that may fill a table at the same time. @param maxConcurrency null lifts the limit */
export async function setTable(services: Services, table: string, maxConcurrency: number | null): Promise<void> {
  await limitTable(services.db, table, maxConcurrency);
  await ringBell(services.pool);
}

/**
 * Puts failed partitions into the queue again, with the definition of the job as it is now.
 * @param key undefined for all that failed
 * @throws RUN_NOT_FOUND, STATE_REFUSED, PARTITION_NOT_FOUND
 */
export async function retryRun(
  services: Services,
  boss: Boss,
  run: number,
  { actor, key }: { actor: string; key?: string | undefined },
): Promise<Steered> {
  return steer(services, run, actor, 'retried', key === undefined ? {} : { partition: key }, async ({ tx, found }) => {
    if (!['failed', 'queued', 'running', 'paused'].includes(found.state)) {
      throw refused(
        found,
        'retried',
        'Only failed partitions of a run can be tried again; enqueue the job for a new one.',
      );
    }
    const { job, version } = await loadJob(services.config.root, found.job_path);
    const revived = await steering.reviveFailed(tx, run, key);
    if (revived.length === 0) {
      const which = key === undefined ? 'failed partition' : `failed partition ${key}`;
      throw new DrayageError('PARTITION_NOT_FOUND', `Run ${run} has no ${which}`, {
        hint: `"dray status ${run}" lists those that failed.`,
      });
    }
    await steering.reopenRun(tx, run, version);
    await insertPartitionJobs(boss, tx, run, revived, job.retries);
    return revived.length;
  });
}

interface Steering {
  client: pg.PoolClient;
  tx: ControlDb;
  found: Run;
}

/** One transaction with the run's row locked, an entry in the history, and a ring for the workers. */
async function steer(
  { pool }: Services,
  run: number,
  actor: string,
  action: string,
  detail: Record<string, unknown>,
  change: (steering: Steering) => Promise<number>,
): Promise<Steered> {
  return transaction(pool, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    const found = await lockRun(tx, run);
    if (!found) {
      throw new DrayageError('RUN_NOT_FOUND', `There is no run ${run}`, {
        hint: '"dray status" lists the latest runs.',
      });
    }
    const partitions = await change({ client, tx, found });
    await noteEvent(tx, { run, actor, action, detail });
    await ringBell(client);
    const { state } = (await lockRun(tx, run))!;
    return { run, job: found.job, state, partitions };
  });
}

function refused({ id, state }: Run, what: string, hint: string): DrayageError {
  return new DrayageError('STATE_REFUSED', `Run ${id} is ${state} and cannot be ${what}`, { where: { run: id }, hint });
}
