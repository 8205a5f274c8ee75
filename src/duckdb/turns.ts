import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

/** A partition that is being read. */
export interface Reading {
  needMb: number;
  /** Whether another one was, at some time. */
  crowded: boolean;
}

/** What a partition takes for it to matter. */
const LARGE_MB = 16;

/**
 * How long a partition waits. Who waits may have locked rows of a table that the one whose turn it is wants, of which
 * Postgres sees only half: sooner short of memory than at a standstill.
 */
const PATIENCE_MS = 60_000;

/** Which partitions are read side by side, and which wait for their turn, because they share what memory there is. */
export class Turns {
  /** How many may be read at a time, whatever they are known to need. */
  sideBySide = Number.POSITIVE_INFINITY;
  readonly #readings = new Set<Reading>();
  readonly #patienceMs: number;
  #waiting: (() => void)[] = [];
  #asking: { needMb: number; begin: () => Promise<void> }[] = [];
  #alone: Promise<void> = Promise.resolve();

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs;
  }

  /**
   * Waits until there is room.
   * @param needMb what the partition is known to take; 0 when nothing is known
   * @param memoryMb what there is
   */
  async take(needMb: number, memoryMb: () => number): Promise<Reading> {
    const untilMs = performance.now() + this.#patienceMs;
    while (!this.#hasRoom(needMb, memoryMb())) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) break;
      const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await Promise.race([turn, sleep(leftMs, undefined, { ref: false })]);
    }
    const reading = { needMb, crowded: false };
    this.#readings.add(reading);
    if (this.#readings.size > 1) for (const one of this.#readings) one.crowded = true;
    return reading;
  }

  /**
   * One after the other, for what takes so much for a moment that others had better wait; of those that ask together the
   * largest first, since what the last one has to do when it has read is what everybody waits for in the end.
   * @param needMb as for `take`
   */
  alone<Result>(needMb: number, work: () => Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#asking.push({ needMb, begin: () => work().then(resolve, reject) });
    if (this.#asking.length === 1) this.#alone = this.#alone.then(() => this.#answer());
    return promise;
  }

  async #answer(): Promise<void> {
    await setImmediate();
    const asked = this.#asking.splice(0).sort((a, b) => b.needMb - a.needMb);
    for (const { begin } of asked) await begin();
  }

  giveBack(reading: Reading): void {
    this.#readings.delete(reading);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #hasRoom(needMb: number, memoryMb: number): boolean {
    if (this.#readings.size === 0) return true;
    if (this.#readings.size >= this.sideBySide) return false;
    const taken = [...this.#readings].reduce((sum, reading) => sum + reading.needMb, 0);
    return taken + needMb <= memoryMb || needMb <= LARGE_MB;
  }
}

/** The turn of one partition, which it takes whenever it reads, and gives back as soon as it has read. */
export class Turn {
  readonly #turns: Turns;
  readonly #needMb: number;
  readonly #memoryMb: () => number;
  readonly #empty: () => Promise<void>;
  #reading: Reading | undefined;
  #crowded = false;

  /**
   * @param needMb what the partition is known to take; 0 when nothing is known
   * @param memoryMb what there is
   * @param empty has what was held given back to the system, before the next one's turn
   */
  constructor(turns: Turns, needMb: number, memoryMb: () => number, empty: () => Promise<void>) {
    this.#turns = turns;
    this.#needMb = needMb;
    this.#memoryMb = memoryMb;
    this.#empty = empty;
  }

  /** Whether another partition was read at the same time. */
  get crowded(): boolean {
    return this.#crowded || this.#reading?.crowded === true;
  }

  /** As `Turns.alone`. */
  alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#turns.alone(this.#needMb, work);
  }

  async take(): Promise<void> {
    this.#reading ??= await this.#turns.take(this.#needMb, this.#memoryMb);
  }

  /** Does nothing when it is not one's turn. */
  async giveBack(): Promise<void> {
    const reading = this.#reading;
    if (!reading) return;
    this.#crowded = this.crowded;
    this.#reading = undefined;
    if (this.#needMb > LARGE_MB) await this.#empty();
    this.#turns.giveBack(reading);
  }

  /** Reads when it is one's turn. */
  async *over<Item>(items: () => AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
    await this.take();
    try {
      yield* items();
    } finally {
      await this.giveBack();
    }
  }
}
