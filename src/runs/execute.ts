import type pg from 'pg';
import { DrayageError, explain, locate } from '../base/errors.ts';
import type { AttemptRef } from '../base/events.ts';
import { Ticker } from '../base/ticker.ts';
import type { ControlSchema } from '../control/db.ts';
import { claimPartition, type Partition, type Settled, settlePartition } from '../control/partitions.ts';
import { showProgress } from '../control/progress.ts';
import { findRun, moveRun, type Run } from '../control/runs.ts';
import { limitIdleness } from '../ledger/backends.ts';
import { parseRejectLimit } from '../model/limits.ts';
import type { Route } from '../model/route.ts';
import type { SourceContext } from '../model/source.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, QUEUES } from '../queue/boss.ts';
import { type Claim, completeJob, failJob, type PartitionJob, releaseJob } from '../queue/jobs.ts';
import { commitAttempt, finishIfSettled, type PartitionOutcome } from './commit.ts';
import { loadPartition, planOf } from './load.ts';
import { loadJob } from './load-jobs.ts';
import { type PreparedJob, prepareJob } from './prepare.ts';
import { runRoutes } from './routes.ts';
import type { Services } from './services.ts';

const PROGRESS_EVERY_MS = 500;
/** What is known of the tables; one that is changed meanwhile fails an attempt, and the next one looks again. */
const ROUTES_KEPT_MS = 1_000;

/** Executes attempts for one worker process; remembers what attempts of the same run can share. */
export class Executor {
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #workerId: string;
  readonly #context: Omit<SourceContext, 'signal'>;
  readonly #runs = new Map<number, Promise<{ run: Run; prepared: PreparedJob }>>();
  readonly #conflicts = new Map<number, Set<string>>();
  readonly #routes = new Map<number, { routes: Promise<Route[]>; untilMs: number }>();

  constructor(services: Services, boss: Boss, workerId: string, context: Omit<SourceContext, 'signal'>) {
    this.#services = services;
    this.#boss = boss;
    this.#workerId = workerId;
    this.#context = context;
  }

  /**
   * One attempt at a claimed partition, from the claim to the commit or to the record of what went wrong. Never throws
   * for what concerns the partition alone.
   * @param signal aborted when the claim is lost or the process has to stop
   */
  async execute(claim: Claim<PartitionJob>, signal: AbortSignal): Promise<void> {
    const { db, events, pool } = this.#services;
    const partition = await claimPartition(db, claim.data.partition, this.#workerId);
    if (!partition) {
      await transaction(pool, (client) => completeJob(this.#boss, kyselyOnClient(client), QUEUES.partitions, claim));
      return;
    }
    const ref: AttemptRef = { run: partition.run_id, job: '', partition: partition.key, attempt: partition.attempt };
    const startedMs = performance.now();
    try {
      const { run, prepared } = await this.#runOf(partition.run_id);
      ref.job = run.job;
      events.emit('attemptStarted', ref);
      const outcome = await this.#load(claim, partition, run, prepared, signal);
      if (!outcome) events.emit('attemptSkipped', { ...ref, reason: 'its content is in the table already' });
      else {
        const { read: rowsRead, written: rowsWritten, rejected: rowsRejected } = outcome;
        const seconds = (performance.now() - startedMs) / 1000;
        events.emit('attemptDone', { ...ref, rowsRead, rowsWritten, rowsRejected, seconds });
      }
    } catch (error) {
      this.#routes.delete(partition.run_id);
      await this.#settleFailure(claim, partition, ref, error);
    }
  }

  /** The run and its job, loaded once per process. */
  #runOf(id: number): Promise<{ run: Run; prepared: PreparedJob }> {
    const known = this.#runs.get(id);
    if (known) return known;
    const found = this.#findRun(id);
    this.#runs.set(id, found);
    found.catch(() => this.#runs.delete(id));
    return found;
  }

  async #findRun(id: number): Promise<{ run: Run; prepared: PreparedJob }> {
    const run = await findRun(this.#services.db, id);
    if (!run) throw new DrayageError('RUN_NOT_FOUND', `There is no run ${id}`);
    const loaded = await loadJob(this.#services.config.root, run.job_path);
    if (loaded.version !== run.job_version) {
      throw new DrayageError(
        'JOB_CHANGED',
        'The job definition of this worker is not the one that the run was planned with',
        {
          hint: 'Deploy the same version everywhere, or enqueue the job again.',
        },
      );
    }
    await moveRun(this.#services.db, id, 'running');
    return { run, prepared: prepareJob(loaded, run.params as Record<string, unknown>) };
  }

  async #load(
    claim: Claim<PartitionJob>,
    partition: Partition,
    run: Run,
    prepared: PreparedJob,
    signal: AbortSignal,
  ): Promise<PartitionOutcome | undefined> {
    const { db, pool } = this.#services;
    const progress = new Ticker<number>(PROGRESS_EVERY_MS, (rows) => showProgress(db, partition, rows));
    const routes = await this.#routesOf(run.id, prepared);
    const attempt = {
      claim,
      partition,
      job: run.job,
      targets: routes.map(({ table }) => table.oid),
      forced: run.forced,
      limit: run.max_rejects === null ? undefined : parseRejectLimit(run.max_rejects),
    };
    try {
      return await commitAttempt(
        pool,
        this.#boss,
        attempt,
        async (client, keepRejects) => {
          const outcome = await loadPartition({
            client,
            routes,
            source: prepared.source,
            plan: planOf(partition),
            context: { ...this.#context, signal },
            keepRejects,
            onProgress: (rows) => progress.tick(rows),
            conflicts: this.#conflictsOf(run.id),
          });
          assertAccounted(outcome, partition, prepared);
          return outcome;
        },
        signal,
      );
    } finally {
      await progress.stop();
    }
  }

  /** Looked up anew every few seconds only: for small partitions that would take longer than the load. */
  #routesOf(run: number, { targets }: PreparedJob): Promise<Route[]> {
    const known = this.#routes.get(run);
    if (known && performance.now() < known.untilMs) return known.routes;
    const routes = runRoutes(this.#services.pool as unknown as pg.ClientBase, targets, run);
    this.#routes.set(run, { routes, untilMs: performance.now() + ROUTES_KEPT_MS });
    routes.catch(() => this.#routes.delete(run));
    return routes;
  }

  /** Tables whose keys turned out to be there already. */
  #conflictsOf(run: number): Set<string> {
    const known = this.#conflicts.get(run) ?? new Set();
    this.#conflicts.set(run, known);
    return known;
  }

  async #settleFailure(
    claim: Claim<PartitionJob>,
    partition: Partition,
    ref: AttemptRef,
    cause: unknown,
  ): Promise<void> {
    const { events, pool } = this.#services;
    const error = locate(cause, { job: ref.job, run: ref.run, partition: partition.key, file: partition.file });
    if (error.code === 'CLAIM_LOST') {
      events.emit('attemptFailed', { ...ref, error, retrying: true });
      return;
    }
    const released = error.code === 'INTERRUPTED';
    const retrying = released || (error.transient && claim.retryCount < claim.retryLimit);
    const message = explain(error);
    const settled: Settled = released
      ? { state: 'released' }
      : { state: retrying ? 'pending' : 'failed', code: error.code, error: message };
    try {
      await transaction(pool, async (client) => {
        const tx = kyselyOnClient<ControlSchema>(client);
        await limitIdleness(client);
        if (!(await settlePartition(tx, partition, settled))) return;
        if (released) await releaseJob(this.#boss, tx, claim, partition.attempt);
        else if (retrying) await failJob(this.#boss, tx, QUEUES.partitions, claim, message);
        else await completeJob(this.#boss, tx, QUEUES.partitions, claim);
        await finishIfSettled(client, this.#boss, partition.run_id);
      });
    } catch (problem) {
      // The database is out of reach: the claim runs out by itself, and another attempt follows.
      events.emit('queueError', { error: problem });
    }
    if (released) events.emit('attemptReleased', ref);
    else events.emit('attemptFailed', { ...ref, error, retrying });
  }
}

/** Nothing may be lost on the way: every row that was read is somewhere, and without a transform all were read. */
function assertAccounted(outcome: PartitionOutcome, partition: Partition, { targets }: PreparedJob): void {
  const { read, written, unchanged, superseded, rejected } = outcome;
  const accounted = written + unchanged + superseded + rejected;
  if (read !== accounted) {
    throw new DrayageError('ROWS_UNACCOUNTED', `${read} rows were read and ${accounted} are accounted for`);
  }
  const whole = targets.length === 1 && !targets[0]!.transform && !targets[0]!.target.split;
  if (!whole || partition.rows_planned === null || partition.rows_planned === read) return;
  throw new DrayageError('ROWS_UNACCOUNTED', `The source announced ${partition.rows_planned} rows and gave ${read}`, {
    hint: 'The file contradicts its own footer; write it anew.',
  });
}
