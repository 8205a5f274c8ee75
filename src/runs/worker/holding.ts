import { DrayageError } from '../../base/errors.ts';
import type { AttemptKey, Claimed } from '../../control/claims.ts';
import type { Held } from '../../control/watch.ts';
import type { Claim } from '../../queue/jobs.ts';
import { claimLost } from '../commit.ts';
import { Pace } from './pace.ts';

/** So often in a row the server has to deny that it knows of the connection; it is asked every second. */
const DENIED = 10;

/** What a worker holds for one task: claims of the queue, and the attempts that were made of them. */
export class Holding {
  readonly queue: string;
  /** Shared by all of the worker's transactions for the run. */
  pace = new Pace();
  readonly #controller = new AbortController();
  readonly #claims: Map<string, Claim<unknown>>;
  #attempts: readonly Claimed[] = [];
  #since = 0;
  #missing = false;
  /** How often in a row the connection was not there; undefined before there is one. */
  #denied: number | undefined;

  constructor(queue: string, claims: readonly Claim<unknown>[]) {
    this.queue = queue;
    this.#claims = new Map(claims.map((claim) => [claim.id, claim]));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get claims(): Claim<unknown>[] {
    return [...this.#claims.values()];
  }

  get attempts(): readonly Claimed[] {
    return this.#attempts;
  }

  /** From here on these attempts are watched. @param version of the orders that name them first */
  begin(attempts: readonly Claimed[], version: number): void {
    this.#attempts = attempts;
    this.#since = version;
  }

  /** These need no more heartbeats. */
  settle(claims: readonly Claim<unknown>[], attempts: readonly AttemptKey[]): void {
    for (const { id } of claims) this.#claims.delete(id);
    const settled = new Set(attempts.map(({ id }) => id));
    this.#attempts = this.#attempts.filter(({ id }) => !settled.has(id));
  }

  /** From here on the server knows of a connection that loads, or need not. */
  loads(loading: boolean): void {
    this.#denied = loading ? 0 : undefined;
  }

  stop(reason: DrayageError): void {
    this.#controller.abort(reason);
  }

  /**
   * Follows what the control database says: a claim that was lost, a run that was paused or slowed down. One that is
   * missing may have been settled a moment ago; only the second time it counts as lost. A connection that the server has
   * lost without our hearing of it would be waited on for ever.
   * @param version of the orders that this answers
   */
  heed(held: ReadonlyMap<number, Held>, version: number): void {
    if (version < this.#since) return;
    const own = this.#attempts.map(({ id, attempt }) => {
      const found = held.get(id);
      return found?.attempt === attempt ? found : undefined;
    });
    const missing = own.includes(undefined);
    if (missing && this.#missing) this.stop(claimLost());
    this.#missing = missing;
    if (own.some((found) => found?.loading)) this.#denied = 0;
    else if (this.#denied !== undefined && ++this.#denied >= DENIED) {
      this.stop(new DrayageError('DATABASE_FAILED', 'The database has lost the connection, and did not say so'));
    }
    const run = own.find((found) => found !== undefined);
    if (run?.state === 'paused' && !run.draining) {
      this.stop(new DrayageError('INTERRUPTED', `Run ${run.run} was paused`));
    }
    if (run) this.pace.limit(run.rowsPerSecond ?? undefined);
  }
}
