import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { assertMemoryFits } from '../../base/admission.ts';
import { DrayageError } from '../../base/errors.ts';
import { pause, Shutdown } from '../../base/lifecycle.ts';
import { widenYoung } from '../../base/memory.ts';
import { abandonPartition } from '../../control/claims.ts';
import type { ControlSchema } from '../../control/db.ts';
import { type ActiveRun, activeRuns } from '../../control/limits.ts';
import { moveRun } from '../../control/runs.ts';
import { registerWorker, slotsOfAll, stopWorker } from '../../control/workers.ts';
import { PackSize } from '../../model/pack.ts';
import { turns } from '../../model/turns.ts';
import { kyselyOnClient } from '../../postgres/kysely.ts';
import { transaction } from '../../postgres/tx.ts';
import { type Boss, QUEUES } from '../../queue/boss.ts';
import { type Claim, completeJobs, fetchJobs, type PartitionJob } from '../../queue/jobs.ts';
import { finishIfSettled } from '../commit.ts';
import { Executor } from '../execute.ts';
import { finalize } from '../finalize.ts';
import { withSourceContext } from '../plan.ts';
import type { Services } from '../services.ts';
import { Claims } from './claims.ts';
import { Holding } from './holding.ts';
import { Throttle } from './throttle.ts';

/** Between looks at the queue when nobody rings. */
const POLL_MS = 2_000;

/**
 * Claims and executes until asked to stop: then claims no more, lets what is under way end within the grace period,
 * and gives the rest back without burning an attempt.
 */
export async function work(services: Services, boss: Boss, signal: AbortSignal): Promise<void> {
  assertMemoryFits(services.config, services.config.memoryLimitMb);
  const never = new AbortController().signal;
  await withSourceContext(services, never, async (context) => {
    const worker = new Worker(services, boss, context);
    await worker.run(signal);
  });
}

type WorkContext = ConstructorParameters<typeof Executor>[3];

class Worker {
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #id = randomUUID();
  readonly #executor: Executor;
  readonly #claims: Claims;
  readonly #throttle: Throttle;
  readonly #packSize = new PackSize();
  readonly #active = new Set<Promise<void>>();
  /** Cuts a waiting short: an attempt has ended and there is room for another, or there may be work. */
  #woken = new AbortController();

  constructor(services: Services, boss: Boss, context: WorkContext) {
    this.#services = services;
    this.#boss = boss;
    this.#throttle = new Throttle(services.target);
    this.#claims = new Claims(services, boss, this.#id, () => this.#woken.abort());
    this.#executor = new Executor(services, boss, this.#id, context, this.#claims);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { db, config, events } = this.#services;
    const { concurrency } = config;
    widenYoung();
    await registerWorker(db, { id: this.#id, host: hostname(), pid: process.pid, concurrency });
    events.emit('workerStarted', { worker: this.#id, concurrency });
    this.#claims.open();
    try {
      while (!signal.aborted) {
        this.#woken = new AbortController();
        const claimed = await this.#fill(concurrency).catch((error) => {
          events.emit('queueError', { error });
          return 0;
        });
        if (claimed === 0) await pause(POLL_MS, AbortSignal.any([signal, this.#woken.signal]));
      }
      await this.#drain(signal);
    } finally {
      await this.#claims.close();
      await stopWorker(db, this.#id).catch(() => undefined);
    }
  }

  /** Takes as much as there is room for. @returns how many jobs were taken */
  async #fill(concurrency: number): Promise<number> {
    if (this.#active.size >= concurrency) return 0;
    // Also when there is no run that goes on: the end of a run may wait in the queue, or be given up.
    const finishing = await fetchJobs<{ run: number }>(this.#boss, QUEUES.finalize, 1);
    for (const claim of finishing) {
      this.#start(QUEUES.finalize, [claim], ({ signal }) => finalize(this.#services, this.#boss, claim, signal));
    }
    const lost = await fetchJobs<Partial<PartitionJob> & { run: number }>(this.#boss, QUEUES.deadLetter, 10);
    for (const claim of lost) await this.#giveUp(claim);
    const runs = await activeRuns(this.#services.db);
    if (runs.length === 0) return finishing.length;
    const reason = await this.#throttle.reason([...new Set(runs.flatMap(({ tables }) => tables))]);
    this.#claims.holdBack(reason);
    if (reason !== null) return finishing.length;
    let claimed = finishing.length;
    const pending = runs.reduce((sum, run) => sum + run.pending, 0);
    const size = this.#packSize.size(pending, await slotsOfAll(this.#services.db));
    while (this.#active.size < concurrency) {
      const jobs = await this.#fetch(runs, size);
      if (jobs.length === 0) break;
      this.#start(QUEUES.partitions, jobs, (holding) => this.#execute(jobs, runs, holding));
      claimed += jobs.length;
    }
    return claimed;
  }

  /** Of the runs with the highest priority that have something to give. */
  async #fetch(runs: readonly ActiveRun[], size: number): Promise<Claim<PartitionJob>[]> {
    for (const leftOut of turns(runs)) {
      const jobs = await fetchJobs<PartitionJob>(this.#boss, QUEUES.partitions, size, leftOut);
      if (jobs.length > 0) return jobs;
    }
    return [];
  }

  async #execute(jobs: readonly Claim<PartitionJob>[], runs: readonly ActiveRun[], holding: Holding): Promise<void> {
    const startedMs = performance.now();
    let tried = 0;
    for (const [run, claims] of Map.groupBy(jobs, ({ data }) => data.run)) {
      const limited = runs.find(({ id }) => id === run)?.limited ?? true;
      tried += await this.#executor.execute({ run, claims, limited, holding });
    }
    if (tried > 0) this.#packSize.note(tried, performance.now() - startedMs);
  }

  #start(queue: string, claims: readonly Claim<unknown>[], task: (holding: Holding) => Promise<void>): void {
    const holding = new Holding(queue, claims);
    this.#claims.hold(holding);
    const done = task(holding)
      .catch((error) => {
        // Not settled: the claim runs out, and the queue offers the job again.
        this.#services.events.emit('queueError', { error });
      })
      .finally(() => {
        this.#claims.release(holding);
        this.#active.delete(done);
        this.#woken.abort();
      });
    this.#active.add(done);
  }

  /** A job whose workers died on every attempt: its partition has failed, or, if it was to end a run, that has. */
  async #giveUp(claim: Claim<Partial<PartitionJob> & { run: number }>): Promise<void> {
    const { pool, events } = this.#services;
    const { run, partition } = claim.data;
    const lost = await transaction(pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      const died = (what: string, next: string) =>
        `Every worker that tried ${what} died; look for lack of memory. Then ${next}.`;
      if (partition === undefined) {
        await moveRun(tx, run, 'failed', { error: died('to end this run', 'enqueue the job again') });
      }
      const abandoned =
        partition && (await abandonPartition(tx, partition, died('this partition', `use "dray retry ${run}"`)));
      await completeJobs(this.#boss, tx, QUEUES.deadLetter, [claim]);
      if (abandoned) await finishIfSettled(client, this.#boss, abandoned.run_id);
      return abandoned;
    });
    if (lost) events.emit('partitionLost', { run: lost.run_id, partition: lost.key, attempt: lost.attempt });
  }

  async #drain(signal: AbortSignal): Promise<void> {
    this.#claims.drain();
    this.#services.events.emit('workerStopping', { worker: this.#id, active: this.#active.size });
    const reason = signal.reason instanceof DrayageError ? signal.reason : new DrayageError('INTERRUPTED', 'Stopped');
    const graceMs = reason instanceof Shutdown ? reason.graceMs : 0;
    const giveBack = setTimeout(() => this.#claims.stop(reason), graceMs);
    await Promise.all(this.#active);
    clearTimeout(giveBack);
  }
}
