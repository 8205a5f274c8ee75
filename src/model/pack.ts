/** What the connection of a pack's transaction is called begins so. */
export const PACK_PREFIX = 'drayage ';

/** A transaction takes about this long, in milliseconds: short enough to be given back, long enough to be worth it. */
export const PACK_MS = 500;
/** Claimed at once at the most. */
const LARGEST = 200;
/** Weight of the newest measurement. */
const ALPHA = 0.4;
/** By how much a pack may grow from one to the next; it shrinks at once. */
const GROWTH = 1.2;

/**
 * How many partitions a worker takes at a time, so that tiny ones share a transaction: from a moving average of what
 * one has taken lately.
 */
export class PackSize {
  #size = 1;
  #averageMs: number | undefined;

  /**
   * No more than leaves something for everybody.
   * @param pending partitions that wait @param slots transactions that all workers can have under way
   */
  size(pending: number, slots: number): number {
    return Math.max(1, Math.min(this.#size, Math.ceil(pending / (2 * Math.max(1, slots)))));
  }

  /** @param tookMs what these partitions took together */
  note(partitions: number, tookMs: number): void {
    const eachMs = tookMs / partitions;
    this.#averageMs = this.#averageMs === undefined ? eachMs : ALPHA * eachMs + (1 - ALPHA) * this.#averageMs;
    const wanted = Math.floor(PACK_MS / Math.max(this.#averageMs, 0.01));
    const reachable = Math.max(this.#size + 1, Math.floor(this.#size * GROWTH));
    this.#size = Math.max(1, Math.min(wanted, reachable, LARGEST));
  }
}
