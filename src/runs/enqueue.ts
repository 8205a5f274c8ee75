import { userInfo } from 'node:os';
import { DrayageError, explain, locate } from '../base/errors.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { noteEvent } from '../control/events.ts';
import { cancelPending, insertPartitions, type NewPartition } from '../control/partitions.ts';
import { createRun, moveRun } from '../control/runs.ts';
import { findLoads } from '../ledger/loads.ts';
import type { PartitionPlan } from '../model/source.ts';
import type { Table } from '../postgres/catalog.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';
import { insertPartitionJobs } from '../queue/jobs.ts';
import { ringBell } from '../queue/wake.ts';
import { finishIfSettled } from './commit.ts';
import { Planner, type PreparedJob, prepareTable, withSourceContext } from './plan.ts';
import type { Services } from './services.ts';

/** Partitions per transaction: many enough to be fast, few enough to keep the memory flat. */
const BATCH = 5_000;

export interface Enqueued {
  run: number;
  partitions: number;
  pending: number;
  skipped: number;
  failed: number;
}

/**
 * Plans a run and puts its partitions into the queue, partition rows and queue jobs in one transaction per batch.
 * Content that is in the table already is recorded as skipped. A partition that cannot be loaded is recorded as
 * failed, and the others go on; when none can, nothing is recorded at all.
 * @param options.force load again what is in the table already
 */
export async function enqueue(
  services: Services,
  boss: Boss,
  prepared: PreparedJob,
  { force, signal }: { force: boolean; signal: AbortSignal },
): Promise<Enqueued> {
  const { config, pool, db } = services;
  const { table } = await transaction(pool, (client) => prepareTable(client, prepared, config.root));
  return withSourceContext(config, signal, async (context) => {
    const planner = new Planner(prepared, table, context);
    const producer = new Producer(services, boss, prepared, table, force);
    try {
      for await (const batch of inBatches(planner.partitions(), BATCH)) {
        signal.throwIfAborted();
        await producer.add(batch);
      }
      return await producer.finish();
    } catch (error) {
      if (producer.run !== undefined) {
        await cancelPending(db, producer.run);
        await moveRun(db, producer.run, 'failed', { error: explain(error) });
      }
      throw locate(error, { job: prepared.job.name, ...(producer.run === undefined ? {} : { run: producer.run }) });
    }
  });
}

class Producer {
  run: number | undefined;
  readonly #counts = { partitions: 0, pending: 0, skipped: 0, failed: 0 };
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #prepared: PreparedJob;
  readonly #table: Table;
  readonly #force: boolean;

  constructor(services: Services, boss: Boss, prepared: PreparedJob, table: Table, force: boolean) {
    this.#services = services;
    this.#boss = boss;
    this.#prepared = prepared;
    this.#table = table;
    this.#force = force;
  }

  async add(plans: readonly PartitionPlan[]): Promise<void> {
    const hopeless = this.run === undefined && plans.every(({ problem }) => problem);
    if (hopeless) throw severalProblems(plans);
    await transaction(this.#services.pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      this.run ??= await this.#begin(tx);
      const loaded = await findLoads(client, this.#force ? [] : plans.map(({ fingerprint }) => fingerprint), [
        this.#table.oid,
      ]);
      const partitions = plans.map((plan) => newPartition(plan, loaded));
      const pending = await insertPartitions(tx, this.run, partitions);
      const { retries } = this.#prepared.job;
      await insertPartitionJobs(
        this.#boss,
        tx,
        this.run,
        pending.map(({ id }) => id),
        retries,
      );
      await ringBell(client);
      this.#counts.partitions += partitions.length;
      for (const { state } of partitions) this.#counts[state]++;
    });
  }

  /** The run is complete: from here on it ends when its last partition is settled. */
  async finish(): Promise<Enqueued> {
    const run = this.run;
    if (run === undefined) throw new DrayageError('SOURCE_MISSING', 'The source has no partitions');
    await transaction(this.#services.pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      await moveRun(tx, run, 'queued');
      await noteEvent(tx, { run, actor: userInfo().username, action: 'enqueued', detail: { ...this.#counts } });
      await finishIfSettled(client, this.#boss, run);
    });
    return { run, ...this.#counts };
  }

  #begin(tx: ControlDb): Promise<number> {
    const { job, path, version, params } = this.#prepared;
    const definition = { job: job.name, job_path: path, job_version: version, retries: job.retries };
    return createRun(tx, { ...definition, params, forced: this.#force });
  }
}

function newPartition({ problem, ...plan }: PartitionPlan, loaded: ReadonlySet<string>): NewPartition {
  if (problem) return { ...plan, state: 'failed', error_code: problem.code, error: explain(problem) };
  return { ...plan, state: loaded.has(plan.fingerprint) ? 'skipped' : 'pending' };
}

function severalProblems(plans: readonly PartitionPlan[]): DrayageError {
  const first = plans[0]!.problem!;
  if (plans.length === 1) return first;
  const others = `None of the ${plans.length} partitions can be loaded; the first one because: `;
  return new DrayageError(first.code, others + first.message, {
    where: first.where,
    ...(first.hint ? { hint: first.hint } : {}),
    cause: first,
  });
}

async function* inBatches<Item>(items: AsyncIterable<Item>, size: number): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
