import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { DrayageError } from '../base/errors.ts';
import { Shutdown } from '../base/lifecycle.ts';
import type { ControlSchema } from '../control/db.ts';
import { abandonPartition } from '../control/partitions.ts';
import { registerWorker, touchWorker } from '../control/workers.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { type Boss, HEARTBEAT_EVERY_MS, QUEUES } from '../queue/boss.ts';
import { beat, type Claim, completeJob, fetchJobs, type PartitionJob } from '../queue/jobs.ts';
import { Bell } from '../queue/wake.ts';
import { claimLost, finishIfSettled } from './commit.ts';
import { Executor } from './execute.ts';
import { finalize } from './finalize.ts';
import { withSourceContext } from './plan.ts';
import type { Services } from './services.ts';

/** Between looks at the queue when nobody rings. */
const POLL_MS = 2_000;

/**
 * Claims and executes until asked to stop: then claims no more, lets what is under way end within the grace period,
 * and gives the rest back without burning an attempt.
 */
export async function work(services: Services, boss: Boss, signal: AbortSignal): Promise<void> {
  const never = new AbortController().signal;
  await withSourceContext(services.config, never, async (context) => {
    const id = randomUUID();
    const worker = new Worker(services, boss, id, new Executor(services, boss, id, context));
    await worker.run(signal);
  });
}

interface Active {
  queue: string;
  claim: Claim<unknown>;
  controller: AbortController;
  done: Promise<void>;
}

class Worker {
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #id: string;
  readonly #executor: Executor;
  readonly #active = new Map<string, Active>();
  readonly #bell: Bell;
  /** Cuts a waiting short when an attempt has ended and there is room for another. */
  #freed = new AbortController();
  #state: 'alive' | 'draining' = 'alive';

  constructor(services: Services, boss: Boss, id: string, executor: Executor) {
    this.#services = services;
    this.#boss = boss;
    this.#id = id;
    this.#executor = executor;
    this.#bell = new Bell(services.connect);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { db, config, events } = this.#services;
    const { concurrency } = config;
    await registerWorker(db, { id: this.#id, host: hostname(), pid: process.pid, concurrency });
    events.emit('workerStarted', { worker: this.#id, concurrency });
    const heart = setInterval(() => void this.#beat(), HEARTBEAT_EVERY_MS);
    try {
      while (!signal.aborted) {
        const claimed = await this.#claim(concurrency).catch((error) => {
          events.emit('queueError', { error });
          return 0;
        });
        if (claimed === 0) await this.#bell.wait(POLL_MS, AbortSignal.any([signal, this.#freed.signal]));
      }
      await this.#drain(signal);
    } finally {
      clearInterval(heart);
      await this.#bell.close();
      await touchWorker(db, this.#id, 'stopped').catch(() => undefined);
    }
  }

  /** Takes as much as there is room for. @returns how many jobs were taken */
  async #claim(concurrency: number): Promise<number> {
    this.#freed = new AbortController();
    const room = concurrency - this.#active.size;
    if (room <= 0) return 0;
    const lost = await fetchJobs<PartitionJob>(this.#boss, QUEUES.deadLetter, 10);
    for (const claim of lost) await this.#giveUp(claim);
    const finishing = await fetchJobs<{ run: number }>(this.#boss, QUEUES.finalize, 1);
    for (const claim of finishing)
      this.#start(QUEUES.finalize, claim, (signal) => finalize(this.#services, this.#boss, claim, signal));
    const partitions = await fetchJobs<PartitionJob>(this.#boss, QUEUES.partitions, room);
    for (const claim of partitions) {
      this.#start(QUEUES.partitions, claim, (signal) => this.#executor.execute(claim, signal));
    }
    return finishing.length + partitions.length;
  }

  #start(queue: string, claim: Claim<unknown>, task: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    const done = task(controller.signal)
      .catch((error) => {
        // Not settled: the claim runs out, and the queue offers the job again.
        this.#services.events.emit('queueError', { error });
      })
      .finally(() => {
        this.#active.delete(claim.id);
        this.#freed.abort();
      });
    this.#active.set(claim.id, { queue, claim, controller, done });
  }

  /** A job whose workers died on every attempt: its partition has failed. */
  async #giveUp(claim: Claim<PartitionJob>): Promise<void> {
    const { pool, events } = this.#services;
    const lost = await transaction(pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      const attempts =
        'Every worker that tried this partition died; look for lack of memory. Then enqueue the job again.';
      const abandoned = await abandonPartition(tx, claim.data.partition, attempts);
      await completeJob(this.#boss, tx, QUEUES.deadLetter, claim);
      if (abandoned) await finishIfSettled(client, this.#boss, abandoned.run_id);
      return abandoned;
    });
    if (lost) events.emit('partitionLost', { run: lost.run_id, partition: lost.key, attempt: lost.attempt });
  }

  /** Keeps the claims, and drops what is no longer ours. */
  async #beat(): Promise<void> {
    const { db, events } = this.#services;
    try {
      await touchWorker(db, this.#id, this.#state);
      for (const [queue, active] of Map.groupBy(this.#active.values(), ({ queue }) => queue)) {
        const held = await beat(
          this.#boss,
          queue,
          active.map(({ claim }) => claim),
        );
        for (const { claim, controller } of active) if (!held.has(claim.id)) controller.abort(claimLost());
      }
    } catch (error) {
      events.emit('queueError', { error });
    }
  }

  async #drain(signal: AbortSignal): Promise<void> {
    this.#state = 'draining';
    this.#services.events.emit('workerStopping', { worker: this.#id, active: this.#active.size });
    const reason = signal.reason instanceof DrayageError ? signal.reason : new DrayageError('INTERRUPTED', 'Stopped');
    const graceMs = reason instanceof Shutdown ? reason.graceMs : 0;
    const giveBack = setTimeout(() => {
      for (const { controller } of this.#active.values()) controller.abort(reason);
    }, graceMs);
    await Promise.all([...this.#active.values()].map(({ done }) => done));
    clearTimeout(giveBack);
  }
}
