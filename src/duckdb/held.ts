import { pause } from '../base/lifecycle.ts';

/** What partitions may hold together before those wait that are still being read: more than what one of them aims at. */
const MOST_BYTES = 44e6;

/** How long one waits in all: who holds the rest may itself wait for what this one has locked. */
const PATIENCE_MS = 5_000;

/** Values that partitions hold in memory, all of each, until the server has taken them. */
export class Held {
  bytes = 0;
  freed = Promise.withResolvers<void>();
}

/** What one partition holds. */
export class Share {
  bytes = 0;
  readonly #held: Held;
  #patienceMs: number;

  constructor(held: Held, patienceMs = PATIENCE_MS) {
    this.#held = held;
    this.#patienceMs = patienceMs;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.#held.bytes += bytes;
  }

  /** @param bytes that are held no more; left out: all of them */
  free(bytes = this.bytes): void {
    this.add(-bytes);
    this.#held.freed.resolve();
    this.#held.freed = Promise.withResolvers();
  }

  /** Waits while there is too much and others hold some of it, which is on its way to the server already. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#held.bytes > Math.max(MOST_BYTES, this.bytes) && this.#patienceMs > 0 && !signal.aborted) {
      const [startedMs, freed] = [performance.now(), new AbortController()];
      const patience = pause(this.#patienceMs, AbortSignal.any([signal, freed.signal]));
      await Promise.race([this.#held.freed.promise, patience]);
      freed.abort();
      this.#patienceMs -= performance.now() - startedMs;
    }
  }
}
