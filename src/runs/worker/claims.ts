import type { DrayageError } from '../../base/errors.ts';
import type { Claimed } from '../../control/claims.ts';
import { type Held, presenceOf, watchOf } from '../../control/watch.ts';
import { type Boss, HEARTBEAT_EVERY_MS } from '../../queue/boss.ts';
import { beatOf, type Statement } from '../../queue/jobs.ts';
import type { Attempt } from '../commit.ts';
import type { Keeper } from '../execute.ts';
import type { Services } from '../services.ts';
import { Heart } from './heart.ts';
import type { Holding } from './holding.ts';

/** Everything that a worker holds, kept alive and watched over. */
export class Claims implements Keeper {
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #workerId: string;
  readonly #ring: () => void;
  readonly #holdings = new Set<Holding>();
  #heart: Heart | undefined;
  #refresh: NodeJS.Timeout | undefined;
  #state: 'alive' | 'draining' = 'alive';
  #heldBack: string | null = null;
  /** Of the orders that the heart has, or is about to get. */
  #version = 0;
  #ordering: Promise<void> = Promise.resolve();
  #ordered = false;

  /** @param ring called when there may be work */
  constructor(services: Services, boss: Boss, workerId: string, ring: () => void) {
    this.#services = services;
    this.#boss = boss;
    this.#workerId = workerId;
    this.#ring = ring;
  }

  open(): void {
    const { url, events } = this.#services;
    this.#heart = new Heart(url, events, {
      rung: this.#ring,
      watched: (rows, version) => {
        const held = new Map((rows as Held[]).map((row) => [row.id, row]));
        for (const holding of this.#holdings) holding.heed(held, version);
      },
    });
    this.#order();
    this.#refresh = setInterval(() => this.#order(), HEARTBEAT_EVERY_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#refresh);
    await this.#ordering;
    await this.#heart?.stop();
  }

  hold(holding: Holding): void {
    this.#holdings.add(holding);
    this.#order();
  }

  release(holding: Holding): void {
    this.#holdings.delete(holding);
    this.#order();
  }

  begin(holding: Holding, attempts: readonly Claimed[]): void {
    holding.begin(attempts, this.#version + 1);
    this.#order();
  }

  settle(holding: Holding, attempts: readonly Attempt[]): void {
    holding.settle(
      attempts.map(({ claim }) => claim),
      attempts.map(({ partition }) => partition),
    );
    this.#order();
  }

  drain(): void {
    this.#state = 'draining';
    this.#order();
  }

  /** Tells why nothing is claimed. */
  holdBack(reason: string | null): void {
    if (reason === this.#heldBack) return;
    this.#heldBack = reason;
    this.#services.events.emit('workerHeldBack', { worker: this.#workerId, reason });
    this.#order();
  }

  stop(reason: DrayageError): void {
    for (const holding of this.#holdings) holding.stop(reason);
  }

  /** Gives the heart what is held now; changes that follow each other closely become one order. */
  #order(): void {
    this.#version++;
    if (this.#ordered || !this.#heart) return;
    this.#ordered = true;
    this.#ordering = this.#ordering
      .then(async () => {
        this.#ordered = false;
        this.#heart?.order(await this.#orders());
      })
      .catch((error) => {
        this.#services.events.emit('queueError', { error });
      });
  }

  async #orders() {
    const { db } = this.#services;
    const version = this.#version;
    const attempts = [...this.#holdings].flatMap((holding) => [...holding.attempts]);
    const presence = { state: this.#state, heldBack: this.#heldBack, memory: process.memoryUsage.rss() };
    const packs = [...new Set(attempts.flatMap(({ pack }) => pack ?? []))];
    const beats = [statementOf(presenceOf(db, this.#workerId, { ...presence, packs }))];
    for (const [queue, holdings] of Map.groupBy(this.#holdings, (holding) => holding.queue)) {
      const claims = holdings.flatMap((holding) => holding.claims);
      if (claims.length > 0) beats.push(await beatOf(this.#boss, queue, claims));
    }
    const watch = attempts.length > 0 ? { ...statementOf(watchOf(db, attempts)), version } : undefined;
    return { beats, watch };
  }
}

function statementOf({ sql, parameters }: { sql: string; parameters: readonly unknown[] }): Statement {
  return { text: sql, values: [...parameters] };
}
