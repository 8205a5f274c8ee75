import { DrayageError, explain, locate } from '../base/errors.ts';
import type { ControlSchema } from '../control/db.ts';
import { checksumsOf } from '../control/partitions.ts';
import { findRun, moveRun, type Run } from '../control/runs.ts';
import type { RunState } from '../model/state.ts';
import { requireTable } from '../postgres/catalog.ts';
import { Checksum } from '../postgres/checksum.ts';
import { databaseError } from '../postgres/errors.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJob, failJob } from '../queue/jobs.ts';
import { readDdl } from '../sinks/tables.ts';
import { loadJob } from './load-jobs.ts';
import type { Services } from './services.ts';

/**
 * Ends a run whose partitions are all settled: builds what was left for after the load, brings the statistics up to
 * date, and gives the verdict. One transaction, so that a crash leaves it to be done once more from the beginning.
 */
export async function finalize(services: Services, boss: Boss, claim: Claim<{ run: number }>): Promise<void> {
  const { db, pool, events } = services;
  const run = await findRun(db, claim.data.run);
  let error: DrayageError | undefined;
  if (run?.state === 'finalizing') {
    try {
      await transaction(pool, async (client) => {
        const tx = kyselyOnClient<ControlSchema>(client);
        if (run.rows_written > 0) await completeTables(services, client, run);
        const state = verdict(run);
        await moveRun(tx, run.id, state, { checksum: await totalChecksum(tx, run.id) });
        await completeJob(boss, tx, QUEUES.finalize, claim);
        return state;
      }).then((state) => events.emit('runFinished', { run: run.id, job: run.job, state }));
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

async function completeTables(
  { config }: Services,
  client: Parameters<typeof requireTable>[0],
  run: Run,
): Promise<void> {
  const { job } = await loadJob(config.root, run.job_path);
  for (const [name, target] of Object.entries(job.targets)) {
    const table = await requireTable(client, name);
    if (target.after) {
      const after = await readDdl(config.root, target.after);
      await client.query(after).catch((error) => {
        const { code, message } = databaseError(error);
        throw new DrayageError(code, `${target.after}: ${message}`, { where: { table: name }, cause: error });
      });
    }
    await client.query(`analyze ${table.sql}`);
  }
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
