import { DrayageError, explain, locate } from '../base/errors.ts';
import type { ControlSchema } from '../control/db.ts';
import { checksumsOf, donePartitions } from '../control/partitions.ts';
import { addDeleted, findRun, moveRun, type Run, setDeleted, showPhase } from '../control/runs.ts';
import { cancelPartitions } from '../control/steering.ts';
import { addDeletion, deletedBy } from '../ledger/apart-loads.ts';
import { limitIdleness } from '../ledger/backends.ts';
import { isEmptied } from '../ledger/loads.ts';
import { clearOutbox, waitingPartitions } from '../ledger/outbox.ts';
import type { RunState } from '../model/state.ts';
import { Checksum } from '../postgres/checksum.ts';
import { databaseError } from '../postgres/errors.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJobs, failJob, releaseFinalizeJob } from '../queue/jobs.ts';
import { completeTable } from '../sinks/after.ts';
import { readDdl, tablesOf } from '../sinks/tables.ts';
import { claimLost } from './commit.ts';
import { publishLake, settleLake } from './lake/publish.ts';
import { loadJob } from './load-jobs.ts';
import { prepareJob } from './prepare.ts';
import { assertTarget, isApart, onTarget, type Services } from './services.ts';
import { forgetTables, settleTables } from './settle-tables.ts';

/**
 * Ends a run whose partitions are all settled: completes its tables, and gives the verdict in one transaction. A crash
 * leaves everything to be done once more from the beginning.
 * @param signal aborted when the claim is lost or the process has to stop
 */
export async function finalize(
  services: Services,
  boss: Boss,
  claim: Claim<{ run: number }>,
  signal: AbortSignal,
): Promise<void> {
  const { db, pool, events } = services;
  const run = await findRun(db, claim.data.run);
  let error: DrayageError | undefined;
  if (run?.state === 'cancelled') {
    await clearTables(services, boss, run, claim, signal).catch((cause) => {
      error = locate(cause, { job: run.job, run: run.id });
    });
    if (!error) return;
  }
  if (run?.state === 'finalizing') {
    try {
      const state = verdict(run);
      await completeTables(services, run, state === 'failed', signal);
      await transaction(pool, async (client) => {
        const tx = kyselyOnClient<ControlSchema>(client);
        if (state !== 'failed') await settleLake(client, run.id);
        await moveRun(tx, run.id, state, { checksum: await totalChecksum(tx, run.id) });
        if (!(await completeJobs(boss, tx, QUEUES.finalize, [claim]))) throw claimLost();
      });
      events.emit('runFinished', { run: run.id, job: run.job, state });
      return;
    } catch (cause) {
      error = locate(databaseError(cause), { job: run.job, run: run.id });
    }
  }
  // Whoever has taken the claim over ends the run.
  if (error?.code === 'CLAIM_LOST') return;
  const released = error?.code === 'INTERRUPTED';
  const failed = error && !released && !(error.transient && claim.retryCount < claim.retryLimit);
  await transaction(pool, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    if (released) await releaseFinalizeJob(boss, tx, claim);
    else if (error && !failed) await failJob(boss, tx, QUEUES.finalize, claim, explain(error));
    else {
      if (run && error && run.state !== 'cancelled') await moveRun(tx, run.id, 'failed', { error: explain(error) });
      if (!(await completeJobs(boss, tx, QUEUES.finalize, [claim])) && error) throw claimLost();
    }
  });
  if (run && failed) events.emit('runFinished', { run: run.id, job: run.job, state: 'failed' });
}

/** Does away with what was made for a run that was cancelled. */
async function clearTables(
  services: Services,
  boss: Boss,
  run: Run,
  claim: Claim<{ run: number }>,
  signal: AbortSignal,
): Promise<void> {
  const { config, pool, db } = services;
  await cancelPartitions(db, run.id);
  await assertTarget(services, run);
  const { targets, lake } = prepareJob(await loadJob(config.root, run.job_path), run.params as Record<string, unknown>);
  if (lake) await publishLake(services, run, lake, true, signal);
  await transaction(pool, async (client) => {
    await onTarget(services, client, (target) => forgetTables(target, targets, run));
    const tx = kyselyOnClient<ControlSchema>(client);
    if (!(await completeJobs(boss, tx, QUEUES.finalize, [claim]))) throw claimLost();
  });
}

async function completeTables(services: Services, run: Run, failed: boolean, signal: AbortSignal): Promise<void> {
  const { config, target: at, db } = services;
  await assertTarget(services, run);
  const { targets, lake } = prepareJob(await loadJob(config.root, run.job_path), run.params as Record<string, unknown>);
  if (lake) await publishLake(services, run, lake, failed, signal);
  const apart = isApart(services) ? await services.identity() : undefined;
  if (!failed && !lake && (await isEmptied(at, run.id, apart))) throw emptied();
  await transaction(
    at,
    async (client) => {
      // It locks tables as a whole: a process that freezes must not keep them.
      await limitIdleness(client);
      await settleTables(client, targets, run, failed, (rows) =>
        apart === undefined
          ? addDeleted(kyselyOnClient<ControlSchema>(client), run.id, rows)
          : addDeletion(client, apart, run.id, rows),
      );
    },
    signal,
  );
  if (apart !== undefined) await followTarget(services, apart, run);
  const completing = { pool: at, tell: (phase: string | null) => showPhase(db, run.id, phase), signal };
  const loaded = run.rows_written > 0;
  for (const { name, target } of targets) {
    const { after } = target;
    // Also when nothing was loaded: the run that did load may have failed at this.
    const script = after ? { file: after, sql: await readDdl(config.root, after) } : undefined;
    const [first, ...others] = await transaction(at, (client) => tablesOf(client, { name, target }));
    if (script || loaded) await completeTable(first!, script, loaded, completing);
    if (loaded) for (const table of others) await completeTable(table, undefined, loaded, completing);
  }
}

function emptied(): DrayageError {
  return new DrayageError('TARGET_EMPTIED', 'The server crashed during the run, and emptied an unlogged table', {
    hint: 'Enqueue the job again: what is no longer there is loaded once more. A table that is logged survives.',
  });
}

/** What the control database has to hear from a target apart, and what is left over there when it has. */
async function followTarget({ target, db }: Services, control: string, run: Run): Promise<void> {
  const deleted = await deletedBy(target, control, run.id);
  if (deleted > 0) await setDeleted(db, run.id, deleted);
  const waiting = await waitingPartitions(target, control, run.id);
  await clearOutbox(target, control, await donePartitions(db, waiting));
}

/** A run with a partition that did not succeed can never succeed. */
function verdict(run: Run): RunState {
  if (run.partitions_failed > 0 || run.partitions_cancelled > 0) return 'failed';
  return run.rows_rejected > 0 ? 'completed_with_rejects' : 'succeeded';
}

async function totalChecksum(tx: Parameters<typeof checksumsOf>[0], run: number): Promise<string> {
  const total = new Checksum();
  for (const checksum of await checksumsOf(tx, run)) total.addSum(checksum);
  return total.toString();
}
