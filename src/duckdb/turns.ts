import { setTimeout as sleep } from 'node:timers/promises';

/** A partition that is being read. */
export interface Reading {
  needMb: number;
  /** Whether another one was, at some time. */
  crowded: boolean;
}

/** What a partition takes for it to matter. */
export const LARGE_MB = 16;

/** How long a large partition waits for others that are known to need the rest of the memory. */
const PATIENCE_MS = 60_000;

/** Which partitions are read side by side, and which wait for their turn, because they share what memory there is. */
export class Turns {
  /** How many may be read at a time, whatever they are known to need. */
  sideBySide = Number.POSITIVE_INFINITY;
  readonly #readings = new Set<Reading>();
  #waiting: (() => void)[] = [];

  /**
   * Waits until there is room.
   * @param needMb what the partition is known to take; 0 when nothing is known
   * @param memoryMb what there is
   */
  async take(needMb: number, memoryMb: () => number): Promise<Reading> {
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const leftMs = untilMs - performance.now();
      if (this.#hasRoom(needMb, memoryMb(), leftMs > 0)) break;
      const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await (leftMs > 0 ? Promise.race([turn, sleep(leftMs, undefined, { ref: false })]) : turn);
    }
    const reading = { needMb, crowded: false };
    this.#readings.add(reading);
    if (this.#readings.size > 1) for (const one of this.#readings) one.crowded = true;
    return reading;
  }

  giveBack(reading: Reading): void {
    this.#readings.delete(reading);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** @param patient whether it may take longer: who waits may have rows of a table locked that the other one wants */
  #hasRoom(needMb: number, memoryMb: number, patient: boolean): boolean {
    if (this.#readings.size === 0) return true;
    if (this.#readings.size >= this.sideBySide) return false;
    const taken = [...this.#readings].reduce((sum, reading) => sum + reading.needMb, 0);
    return taken + needMb <= memoryMb || needMb <= LARGE_MB || !patient;
  }
}
