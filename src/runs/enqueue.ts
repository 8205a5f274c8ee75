import { userInfo } from 'node:os';
import type pg from 'pg';
import { DrayageError, explain, locate } from '../base/errors.ts';
import { sweepAll } from '../base/memory.ts';
import { maskParams } from '../base/secrets.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { noteEvent } from '../control/events.ts';
import { beginLakeRun } from '../control/lake.ts';
import { cancelPending, insertPartitions } from '../control/partitions.ts';
import { createRun, failedRuns, findRun, lockRun, moveRun, type Run } from '../control/runs.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { tableLedger } from '../ledger/loads.ts';
import type { Route } from '../model/route.ts';
import type { PartitionPlan, Source } from '../model/source.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';
import { insertPartitionJobs } from '../queue/jobs.ts';
import { ringBell } from '../queue/wake.ts';
import { finishIfSettled } from './commit.ts';
import type { RunKeeper } from './keeper.ts';
import { type OpenLake, openLake } from './lake/open.ts';
import { loadJob } from './load-jobs.ts';
import { Planner, withSourceContext } from './plan.ts';
import { assertAsPlanned, begun, changedSince, inBatches, newPartition, severalProblems } from './planned.ts';
import { type PreparedJob, prepareJob } from './prepare.ts';
import { inspectSource, openRoutes, prepareRoutes } from './routes.ts';
import { assertTarget, isApart, onTarget, type Services } from './services.ts';

/** Partitions per transaction: many enough to be fast, few enough to keep the memory flat. */
const BATCH = 2_000;
/** What waits for the database outlives the young objects, and V8 is in no hurry with the old ones. */
const SWEEP_EVERY_MS = 2_000;

export interface EnqueueOptions {
  /** Load again what is in the table already. */
  force: boolean;
  /** Rejects that a partition may have, in place of what the job says. */
  maxRejects?: string | undefined;
  /** Runs of a higher one go first; 0 when left out. */
  priority?: number | undefined;
  /** Transactions that may load the run at the same time. */
  concurrency?: number | undefined;
  /** Who does it; the system's user when left out. */
  actor?: string | undefined;
  /** For a producer that stays until all of the run is read, and closes it then. */
  keeper?: RunKeeper | undefined;
}

export interface Enqueued {
  run: number;
  partitions: number;
  pending: number;
  skipped: number;
  failed: number;
  /** Where the source is a database: whether all partitions see one snapshot of it, or each its own. */
  snapshot?: Source['snapshot'];
  /** What may become of rows that nobody expects. */
  warnings?: string[];
  /** Of a run that was resumed: how many partitions it had not had before. */
  added?: number;
}

/**
 * Plans a run and puts its partitions into the queue, partition rows and queue jobs in one transaction per batch.
 * Content that is in the table already is recorded as skipped. A partition that cannot be loaded is recorded as
 * failed, and the others go on; when none can, nothing is recorded at all. What may pass, such as a lost connection,
 * leaves the run as it is, for `resumePlanning`.
 */
export async function enqueue(
  services: Services,
  boss: Boss,
  prepared: PreparedJob,
  { signal, ...options }: EnqueueOptions & { signal: AbortSignal },
): Promise<Enqueued> {
  return produce(services, boss, prepared, options, signal);
}

/**
 * Plans the rest of a run whose producer did not come to its end.
 * @throws RUN_NOT_FOUND; STATE_REFUSED when nothing is left to plan; JOB_CHANGED; SOURCE_CHANGED when a partition is not
 *   what it was planned as: then the run has failed, since it would hold the rows of two states of the source
 */
export async function resumePlanning(
  services: Services,
  boss: Boss,
  id: number,
  signal: AbortSignal,
): Promise<Enqueued> {
  const { config, db } = services;
  const before = await findRun(db, id);
  assertPlanning(before, id, 'Only a run whose "dray enqueue" was cut short can be resumed.');
  const loaded = await loadJob(config.root, before.job_path);
  if (loaded.version !== before.job_version) {
    throw new DrayageError('JOB_CHANGED', `The job is not the one that run ${id} was begun with`, {
      where: { job: before.job, run: id },
      hint: `Check the former version out; or "dray cancel ${id}", and enqueue the job again.`,
    });
  }
  await assertTarget(services, before);
  const prepared = prepareJob(loaded, before.params as Record<string, unknown>);
  const resumed = { run: id, partitions: before.partitions_total };
  const enqueued = await produce(services, boss, prepared, { force: before.forced, resumed }, signal);
  return { ...enqueued, added: enqueued.partitions - before.partitions_total };
}

async function produce(
  services: Services,
  boss: Boss,
  prepared: PreparedJob,
  options: ProducerOptions,
  signal: AbortSignal,
): Promise<Enqueued> {
  return withSourceContext(services, signal, async (context) => {
    const columnsOf = await inspectSource(services.target as unknown as pg.ClientBase, prepared, context);
    // Files may be looked at meanwhile; a snapshot comes with locks, which nothing that is done to the tables may have to wait for.
    const early = prepared.source.snapshot ? undefined : begun(prepared.source.enumerate(context));
    const prepareTables = async () => {
      const routes = await transaction(services.target, (client) =>
        prepareRoutes(client, prepared, { root: context.root, columnsOf, touch: true }),
      );
      return { routes, lake: prepared.lake && (await openLake(services, prepared.lake, { touch: true, signal })) };
    };
    const { routes, lake } = await prepareTables().catch(async (error) => {
      await early?.giveUp();
      throw error;
    });
    const keeping = options.keeper ? { ...context, keeper: options.keeper } : context;
    const planner = new Planner(prepared, routes, keeping, lake);
    const producer = new Producer(services, boss, prepared, { routes, lake }, options);
    try {
      for await (const batch of inBatches(planner.partitions(early), BATCH)) {
        signal.throwIfAborted();
        await producer.add(batch);
        // Otherwise it was the last one, and workers have better use for the processor.
        if (batch.length === BATCH) sweepAll(SWEEP_EVERY_MS);
      }
      const enqueued = await producer.finish();
      const warnings = planner.warnings();
      return warnings.length > 0 ? { ...enqueued, warnings } : enqueued;
    } catch (error) {
      const located = locate(error, { job: prepared.job.name });
      throw producer.run === undefined ? located : await giveUp(services.db, producer.run, located);
    }
  });
}

/** Ends a run that cannot be planned, or tells how it can be planned to its end later. */
async function giveUp(db: ControlDb, run: number, error: DrayageError): Promise<DrayageError> {
  const { code, message, cause } = error;
  const where = { ...error.where, run };
  if (error.transient) {
    const hint = `Run ${run} is planned in part: "dray enqueue --resume ${run}" completes it, "dray cancel ${run}" ends it.`;
    return new DrayageError(code, message, { where, hint, cause });
  }
  await cancelPending(db, run);
  await moveRun(db, run, 'failed', { error: explain(error) });
  return locate(error, where);
}

interface ProducerOptions extends EnqueueOptions {
  /** A run that was begun and not planned to its end, and how many partitions it has. */
  resumed?: { run: number; partitions: number };
}

class Producer {
  run: number | undefined;
  readonly #counts = { partitions: 0, pending: 0, skipped: 0, failed: 0 };
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #prepared: PreparedJob;
  readonly #routes: readonly Route[];
  readonly #lake: OpenLake | undefined;
  readonly #ledger: Ledger;
  readonly #options: ProducerOptions;
  /** A merge has to meet every key, and a table made anew has none: both load everything. */
  readonly #everything: boolean;

  constructor(
    services: Services,
    boss: Boss,
    prepared: PreparedJob,
    { routes, lake }: { routes: readonly Route[]; lake: OpenLake | undefined },
    options: ProducerOptions,
  ) {
    this.run = options.resumed?.run;
    this.#services = services;
    this.#boss = boss;
    this.#prepared = prepared;
    this.#routes = routes;
    this.#lake = lake;
    this.#ledger = lake?.ledger ?? tableLedger(routes.map(({ table }) => table));
    this.#options = options;
    const whole = routes.some(({ target }) => target.mode === 'merge' || target.mode === 'replace');
    this.#everything = options.force || whole;
  }

  async add(plans: readonly PartitionPlan[]): Promise<void> {
    const hopeless = this.run === undefined && plans.every(({ problem }) => problem);
    if (hopeless) throw severalProblems(plans);
    this.run = await transaction(this.#services.pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      const run = this.run ?? (await this.#begin(client));
      assertPlanning(await lockRun(tx, run), run, 'Enqueue the job again.');
      if (this.#options.resumed) await assertAsPlanned(tx, run, plans, this.#unseen);
      const known = this.#everything ? [] : plans.map(({ fingerprint }) => fingerprint);
      const loaded = await this.#ledger.find(
        this.#lake || !isApart(this.#services) ? client : this.#services.target,
        known,
      );
      const partitions = plans.map((plan) => newPartition(plan, loaded));
      const pending = await insertPartitions(tx, run, partitions);
      const { retries } = this.#prepared.job;
      await insertPartitionJobs(this.#boss, tx, run, pending, retries);
      await ringBell(client);
      this.#counts.partitions += partitions.length;
      for (const { state } of partitions) this.#counts[state]++;
      return run;
    });
  }

  /** Partitions that a run which is resumed has had, and that were not met again. */
  get #unseen(): number {
    return Math.max(0, (this.#options.resumed?.partitions ?? 0) - this.#counts.partitions);
  }

  /** The run is complete: from here on it ends when its last partition is settled. Workers may have begun. */
  async finish(): Promise<Enqueued> {
    const run = this.run;
    if (run === undefined) throw new DrayageError('SOURCE_MISSING', 'The source has no partitions');
    if (this.#unseen > 0) throw changedSince(run);
    return transaction(this.#services.pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      const resumed = this.#options.resumed !== undefined;
      const planned = await lockRun(tx, run);
      assertPlanning(planned, run, 'Enqueue the job again.');
      const counts = resumed ? countsOf(planned) : this.#counts;
      await moveRun(tx, run, 'queued');
      if (planned.partitions_running + planned.partitions_done > 0) await moveRun(tx, run, 'running');
      const params = maskParams(this.#prepared.params);
      const given = Object.keys(params).length > 0 ? { params } : {};
      const snapshot = this.#snapshot();
      const detail = { ...counts, ...snapshot, ...given, ...(resumed ? { resumed } : {}) };
      const actor = this.#options.actor ?? userInfo().username;
      await noteEvent(tx, { run, actor, action: 'enqueued', detail });
      await finishIfSettled(client, this.#boss, run);
      return { run, ...counts, ...snapshot };
    });
  }

  #snapshot(): Pick<Enqueued, 'snapshot'> {
    const { snapshot } = this.#prepared.source;
    if (snapshot === undefined) return {};
    return { snapshot: this.#options.keeper?.isEmpty === false ? snapshot : 'partition' };
  }

  async #begin(client: pg.PoolClient): Promise<number> {
    const { job, path, version, params } = this.#prepared;
    const definition = { job: job.name, job_path: path, job_version: version, retries: job.retries };
    const maxRejects = this.#options.maxRejects ?? job.maxRejects;
    const tx = kyselyOnClient<ControlSchema>(client);
    const tables = this.#prepared.targets.map(({ name }) => name);
    const run = await createRun(tx, {
      ...definition,
      params,
      forced: this.#everything,
      max_rejects: maxRejects === undefined ? null : String(maxRejects),
      tables,
      priority: this.#options.priority ?? 0,
      max_concurrency: this.#options.concurrency ?? null,
      target: await this.#services.targetIdentity(),
    });
    if (this.#lake) await beginLakeRun(tx, run, { root: this.#lake.root, id: this.#lake.id! });
    const failed = await failedRuns(tx, tables);
    await onTarget(this.#services, client, (target) => openRoutes(target, run, this.#routes, failed));
    return run;
  }
}

/** A run that was cancelled, or that another producer has completed, is planned no further. @throws STATE_REFUSED */
function assertPlanning(run: Run | undefined, id: number, hint: string): asserts run is Run {
  if (run?.state === 'planning') return;
  if (!run) {
    throw new DrayageError('RUN_NOT_FOUND', `There is no run ${id}`, { hint: '"dray status" lists the latest runs.' });
  }
  throw new DrayageError('STATE_REFUSED', `Run ${id} is ${run.state}, and not being planned`, {
    where: { job: run.job, run: id },
    hint,
  });
}

/** As they are counted when a run is planned at one go. */
function countsOf(run: Run): Omit<Enqueued, 'run' | 'added' | 'snapshot'> {
  const { partitions_total: partitions, partitions_skipped: skipped, partitions_failed: failed } = run;
  return { partitions, pending: run.partitions_pending + run.partitions_running, skipped, failed };
}
