import { setImmediate } from 'node:timers/promises';
import { HeldValues, Share } from './held.ts';

/** A partition that is being read. */
export interface Reading {
  needMb: number;
  /** Whether there was no room yet when its patience was at an end. */
  impatient: boolean;
  /** Whether another one was, at some time. */
  crowded: boolean;
}

/** What a partition takes for it to matter. */
const LARGE_MB = 16;

/**
 * How long a partition waits: for its first turn, and for later ones. Who waits may have locked rows of a table that the one
 * whose turn it is wants, of which Postgres sees only half: sooner short of memory than at a standstill. Who has read
 * before has locked some for sure.
 */
const [PATIENCE_MS, LATER_PATIENCE_MS] = [60_000, 5_000];

interface Waiting {
  needMb: number;
  memoryMb: () => number;
  admit: (impatient?: boolean) => void;
}

/** Which partitions are read side by side, and which wait for their turn, because they share what memory there is. */
export class Turns {
  /** How many may be read at a time, whatever they are known to need. */
  sideBySide = Number.POSITIVE_INFINITY;
  readonly held = new HeldValues();
  readonly #readings = new Set<Reading>();
  readonly #waiting: Waiting[] = [];
  #asking: { needMb: number; begin: () => Promise<void> }[] = [];
  #alone: Promise<void> = Promise.resolve();

  /**
   * Waits until there is room, and until those have had their turn that have waited for longer.
   * @param needMb what the partition is known to take; 0 when nothing is known
   * @param memoryMb what there is
   * @param patienceMs after which it is its turn in any case
   */
  async take(needMb: number, memoryMb: () => number, patienceMs = PATIENCE_MS): Promise<Reading> {
    const isNext = needMb <= LARGE_MB || this.#waiting.length === 0;
    if (isNext && this.#hasRoom(needMb, memoryMb())) return this.#begin(needMb);
    const { promise, resolve } = Promise.withResolvers<Reading>();
    const waiting: Waiting = {
      needMb,
      memoryMb,
      admit: (impatient = false) => {
        clearTimeout(patience);
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(this.#begin(needMb, impatient));
      },
    };
    const patience = setTimeout(() => waiting.admit(true), patienceMs).unref();
    this.#waiting.push(waiting);
    return promise;
  }

  #begin(needMb: number, impatient = false): Reading {
    const reading = { needMb, impatient, crowded: false };
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
    for (const { needMb, memoryMb, admit } of [...this.#waiting]) if (this.#hasRoom(needMb, memoryMb())) admit();
  }

  #hasRoom(needMb: number, memoryMb: number): boolean {
    if (this.#readings.size === 0) return true;
    if (this.#readings.size >= this.sideBySide) return false;
    const taken = [...this.#readings].reduce((sum, reading) => sum + reading.needMb, 0);
    return taken + needMb <= memoryMb || needMb <= LARGE_MB;
  }
}

/** The memory that partitions share. */
export interface Memory {
  readonly memoryMb: number;
  /** Begins to keep so much of what is free, in MB, for who needs it again and again; until `keepNoMore`. */
  keep(mb: number): Promise<void>;
  keepNoMore(mb: number): Promise<void>;
  /** Has what is free given back to the system. */
  letGo(): Promise<void>;
}

/** The turn of one partition, which it takes whenever it reads, and gives back as soon as it has read. */
export class Turn {
  /** What is held of the partition. */
  readonly share: Share;
  readonly #turns: Turns;
  readonly #needMb: number;
  readonly #memory: Memory;
  #reading: Reading | undefined;
  #patienceMs: number | undefined;
  #crowded = false;
  #keeps = false;
  #settled: Promise<void> = Promise.resolve();

  /** @param needMb what the partition is known to take; 0 when nothing is known */
  constructor(turns: Turns, needMb: number, memory: Memory) {
    this.#turns = turns;
    this.share = new Share(turns.held, LATER_PATIENCE_MS);
    this.#needMb = needMb;
    this.#memory = memory;
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
    this.#reading ??= await this.#turns.take(this.#needMb, () => this.#memory.memoryMb, this.#patienceMs);
    // Once is enough: the other one is likely to wait for what this one has locked until it is over.
    this.#patienceMs = this.#reading.impatient || this.#patienceMs === 0 ? 0 : LATER_PATIENCE_MS;
  }

  /** Does nothing when it is not one's turn. Nobody has to wait for it but who is done with the partition. */
  giveBack(): Promise<void> {
    const reading = this.#reading;
    this.#crowded = this.crowded;
    this.#reading = undefined;
    if (reading) this.#settled = this.#passOn(reading);
    return this.#settled;
  }

  async #passOn(reading: Reading): Promise<void> {
    if (this.#needMb > LARGE_MB && !this.#keeps) await this.#memory.letGo();
    this.#turns.giveBack(reading);
  }

  /** Reads when it is one's turn. */
  async *over<Item>(items: () => AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
    await this.take();
    try {
      yield* items();
    } finally {
      void this.giveBack();
    }
  }

  /** Reads what takes several turns, each of which needs the memory that the one before it has given back. */
  async *keeping<Item>(items: () => AsyncIterable<Item>): AsyncGenerator<Item, void, undefined> {
    await this.#memory.keep(this.#needMb);
    this.#keeps = true;
    try {
      yield* items();
    } finally {
      this.#keeps = false;
      const kept = this.#memory.keepNoMore(this.#needMb);
      this.#settled = Promise.all([this.#settled, kept]).then(() => undefined);
    }
  }
}
