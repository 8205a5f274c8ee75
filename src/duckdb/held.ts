import { pause } from '../base/lifecycle.ts';

/** What partitions may hold together before those wait that are still being read: more than what one of them aims at. */
const MOST_BYTES = 44e6;

/** Values that partitions hold in memory, all of each, until the server has taken them. */
export class HeldValues {
  bytes = 0;
  freed = Promise.withResolvers<void>();
}

/** What one partition holds. */
export class Share {
  bytes = 0;
  readonly #held: HeldValues;
  readonly #patienceMs: number;
  #untilMs: number | undefined;

  /** @param patienceMs after which it waits no more, from when it has to for the first time */
  constructor(held: HeldValues, patienceMs: number) {
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
    while (this.#held.bytes > Math.max(MOST_BYTES, this.bytes) && !signal.aborted) {
      this.#untilMs ??= performance.now() + this.#patienceMs;
      const leftMs = this.#untilMs - performance.now();
      if (leftMs <= 0) return;
      const freed = new AbortController();
      await Promise.race([this.#held.freed.promise, pause(leftMs, AbortSignal.any([signal, freed.signal]))]);
      freed.abort();
    }
  }
}
