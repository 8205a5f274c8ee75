import type pg from 'pg';
import { troubleOf } from '../../postgres/health.ts';

/** Between looks at the database. */
const LOOK_EVERY_MS = 5_000;

/** Keeps a worker from claiming while the target has more to do than is good for it; what is under way ends. */
export class Throttle {
  readonly #pool: pg.Pool;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #reason: string | null = null;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @param tables that are being filled @returns why nothing should be claimed now; null when nothing speaks against it */
  async reason(tables: readonly string[]): Promise<string | null> {
    if (performance.now() - this.#lookedMs < LOOK_EVERY_MS) return this.#reason;
    this.#lookedMs = performance.now();
    this.#reason = (await troubleOf(this.#pool, tables)) ?? null;
    return this.#reason;
  }
}
