import type pg from 'pg';
import { DrayageError, explain, locate } from '../base/errors.ts';
import type { ControlSchema } from '../control/db.ts';
import { checksumsOf } from '../control/partitions.ts';
import { addDeleted, findRun, moveRun, type Run } from '../control/runs.ts';
import type { PreparedTarget } from '../model/route.ts';
import type { RunState } from '../model/state.ts';
import { requireTable } from '../postgres/catalog.ts';
import { Checksum } from '../postgres/checksum.ts';
import { databaseError } from '../postgres/errors.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJob, failJob } from '../queue/jobs.ts';
import { closeSeen, deleteMissing, isOpen } from '../sinks/missing.ts';
import { isShadowed, swapIn } from '../sinks/replace.ts';
import { resetSequences } from '../sinks/sequences.ts';
import { readDdl, tablesOf } from '../sinks/tables.ts';
import { loadJob } from './load-jobs.ts';
import { prepareJob } from './prepare.ts';
import { runRoutes } from './routes.ts';
import type { Services } from './services.ts';

/**
 * Ends a run whose partitions are all settled: puts replaced tables in place, deletes what a merge did not meet, builds
 * what was left for after the load, and gives the verdict. Every step does no harm when a crash has it done again.
 */
export async function finalize(services: Services, boss: Boss, claim: Claim<{ run: number }>): Promise<void> {
  const { db, pool, events } = services;
  const run = await findRun(db, claim.data.run);
  let error: DrayageError | undefined;
  if (run?.state === 'finalizing') {
    try {
      const state = verdict(run);
      if (run.rows_written > 0 || run.rows_read > 0) await completeTables(services, run, state);
      await transaction(pool, async (client) => {
        const tx = kyselyOnClient<ControlSchema>(client);
        await moveRun(tx, run.id, state, { checksum: await totalChecksum(tx, run.id) });
        await completeJob(boss, tx, QUEUES.finalize, claim);
      });
      events.emit('runFinished', { run: run.id, job: run.job, state });
      return;
    } catch (cause) {
      error = locate(cause, { job: run.job, run: run.id });
    }
  }
  await transaction(pool, async (client) => {
    const tx = kyselyOnClient<ControlSchema>(client);
    if (error?.transient) await failJob(boss, tx, QUEUES.finalize, claim, explain(error));
    else {
      if (run && error) await moveRun(tx, run.id, 'failed', { error: explain(error) });
      await completeJob(boss, tx, QUEUES.finalize, claim);
    }
  });
  if (run && error && !error.transient) events.emit('runFinished', { run: run.id, job: run.job, state: 'failed' });
}

async function completeTables({ config, pool }: Services, run: Run, state: RunState): Promise<void> {
  const { targets } = prepareJob(await loadJob(config.root, run.job_path), run.params as Record<string, unknown>);
  await transaction(pool, async (client) => {
    if (state !== 'failed') await replaceTables(client, targets, run.id);
    await deleteWhatIsMissing(client, targets, run, state);
  });
  await transaction(pool, async (client) => {
    for (const { name, target } of targets) {
      if (target.after) await runAfter(client, config.root, name, target.after);
      for (const table of await tablesOf(client, { name, target })) {
        await resetSequences(client, table);
        await client.query(`analyze ${table.sql}`);
      }
    }
  });
}

/** Every table that was loaded beside takes its place; all of them in one transaction. */
async function replaceTables(client: pg.PoolClient, targets: readonly PreparedTarget[], run: number): Promise<void> {
  for (const { name, target } of targets) {
    if (target.mode !== 'replace') continue;
    const table = await requireTable(client, name);
    if (await isShadowed(client, table, run)) await swapIn(client, table, run);
  }
}

/** Only a run that has met every row of the source knows what is missing from it. */
async function deleteWhatIsMissing(
  client: pg.PoolClient,
  targets: readonly PreparedTarget[],
  run: Run,
  state: RunState,
): Promise<void> {
  if (!targets.some(({ target }) => target.mode === 'merge')) return;
  for (const { seen, table, target } of await runRoutes(client, targets, run.id)) {
    if (!seen || !(await isOpen(client, seen))) continue;
    if (state === 'succeeded' && run.rows_read > 0) {
      const deleted = await deleteMissing(client, seen, table, target.key);
      await addDeleted(kyselyOnClient<ControlSchema>(client), run.id, deleted);
    }
    await closeSeen(client, seen);
  }
}

async function runAfter(client: pg.PoolClient, root: string, table: string, file: string): Promise<void> {
  const after = await readDdl(root, file);
  await client.query(after).catch((error) => {
    const { code, message } = databaseError(error);
    throw new DrayageError(code, `${file}: ${message}`, { where: { table }, cause: error });
  });
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
