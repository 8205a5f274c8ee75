import type { ClientBase } from 'pg';
import type { SourceBatch } from '../model/sink.ts';
import type { Table } from '../postgres/catalog.ts';
import { Checksum } from '../postgres/checksum.ts';
import { breaks, faultOf, type RowFault, rowInCopy } from '../postgres/errors.ts';
import type { Intake } from './intake.ts';
import type { MappedColumn } from './mapping.ts';
import { findOrphans } from './orphans.ts';
import type { Stretch } from './row-copy.ts';
import { Window } from './window.ts';

/** What became of rows that were placed. */
export interface Placed {
  written: number;
  unchanged: number;
  superseded: number;
  checksum: string;
}

/** Brings rows into the table, all or none. @throws the server's error */
export type Place = (stretches: readonly Stretch[]) => Promise<Placed>;

/** Rows that are placed together, under one savepoint: what one guilty row among them costs. */
const WINDOW_ROWS = 16_384;
/** What rows that wait for others may take. */
const ASIDE_BYTES = 64_000_000;

export interface Care {
  client: ClientBase;
  intake: Intake;
  place: Place;
  table: Table;
  columns: readonly MappedColumn[];
  /** Whether rows with the same key have to be placed in their order. */
  ordered: boolean;
  onProgress: (rowsRead: number) => void;
}

/**
 * Loads what Postgres does not take as a whole: in windows, each under a savepoint. In a window that fails, the guilty
 * row is known when the server names its place in the COPY; otherwise the rows are halved until it stands alone. Rows
 * that refer to others of the same table may have come before them: they wait for the others, as far as there is memory.
 * @param batches that stay good
 */
export async function loadCarefully(care: Care, batches: AsyncIterable<SourceBatch>): Promise<Placed> {
  const { intake, ordered, onProgress } = care;
  const placer = new Placer(care);
  let window = new Window();
  let aside = new Window();
  const settle = async () => {
    const waiting = aside;
    aside = new Window();
    if (waiting.rows > 0) await placer.settle(waiting);
    await intake.writeDown();
  };
  const wait: Wait = (from, to) => {
    // What comes behind them waits, too, where the last of several rows has to win.
    const end = ordered ? window.rows : to;
    aside.addFrom(window, from, end);
    return end;
  };
  const flush = async () => {
    if (ordered && aside.rows > 0) aside.addFrom(window, 0, window.rows);
    else await placer.put(window, wait);
    window = new Window();
    await intake.writeDown();
    if (aside.bytes > ASIDE_BYTES) await settle();
    onProgress(intake.read);
  };
  for await (const source of batches) {
    for (const stretch of intake.examine(source)) window.add(source, stretch);
    if (intake.isFull) await intake.writeDown();
    if (window.rows >= WINDOW_ROWS) await flush();
  }
  await flush();
  await settle();
  return placer.placed();
}

/** Takes rows that refer to others of the table. @returns where to go on */
type Wait = (from: number, to: number) => number;

class Placer {
  readonly #care: Care;
  readonly #reach = new Reach();
  readonly #total = { written: 0, unchanged: 0, superseded: 0 };
  readonly #checksum = new Checksum();

  constructor(care: Care) {
    this.#care = care;
  }

  placed(): Placed {
    return { ...this.#total, checksum: this.#checksum.toString() };
  }

  /**
   * Places what can be placed, and rejects the rest.
   * @param wait for rows that may still be placed later
   * @param singly whether only rows that were tried alone wait
   */
  async put(window: Window, wait?: Wait, singly = false): Promise<void> {
    const { intake } = this.#care;
    let at = 0;
    /** The next row that the server has named, and what is wrong with it. */
    let named: { row: number; fault: RowFault } | undefined;
    /** The end of the rows among which there is a guilty one that the server has not named. */
    let suspects: number | undefined;
    await this.#open();
    while (at < window.rows) {
      if (named?.row === at) {
        intake.reject(...window.find(at++), named.fault);
        named = suspects = undefined;
        this.#reach.failed();
        if (intake.isFull) await this.#writeDown();
        continue;
      }
      const end = Math.min(at + this.#reach.rows, named?.row ?? window.rows, window.rows);
      const to = suspects === undefined ? end : at + Math.max(1, (suspects - at) >> 1);
      const error = await this.#attempt(window, at, to);
      if (!error) {
        this.#reach.placed(to - at);
        at = to;
        if (at === suspects) suspects = undefined;
        continue;
      }
      const fault = faultOf(error)!;
      const guilty = to - at === 1 ? 0 : rowInCopy(error, to - at);
      if (wait && this.#refersToItself(error) && (!singly || to - at === 1)) {
        if (singly) this.#reach.failed();
        else this.#reach.placed(to - at);
        at = wait(at, to);
        suspects = undefined;
      } else if (guilty === undefined) suspects = to;
      else {
        named = { row: at + guilty, fault };
        suspects = undefined;
      }
    }
    await this.#close();
  }

  /** Places rows that have waited for others: as a whole, but for those whose others will not come. */
  async settle(waiting: Window): Promise<void> {
    if (await this.#putAll(waiting)) return;
    const orphans = await this.#orphansAmong(waiting);
    const [lost, rest] = waiting.part(orphans);
    if (orphans.size === 0 || !(await this.#putAll(rest))) await this.#putSingly(rest);
    await this.put(lost);
  }

  /** Rows among which some are guilty of something else: when those are found, the others are complete. */
  async #putSingly(rows: Window): Promise<void> {
    const left = new Window();
    const take: Wait = (from, to) => {
      left.addFrom(rows, from, to);
      return to;
    };
    await (this.#care.ordered ? this.put(rows) : this.put(rows, take, true));
    if (left.rows === rows.rows) await this.put(left);
    else if (left.rows > 0) await this.settle(left);
  }

  async #orphansAmong(waiting: Window): Promise<ReadonlySet<number>> {
    const { client, table, columns } = this.#care;
    await this.#open();
    const found = await findOrphans(client, table, columns, waiting).catch(async (error) => {
      if (!faultOf(error)) throw error;
      await client.query('rollback to savepoint careful');
      return new Set<number>();
    });
    await this.#close();
    return found;
  }

  async #putAll(window: Window): Promise<boolean> {
    await this.#open();
    const error = await this.#attempt(window, 0, window.rows);
    await this.#close();
    return error === undefined;
  }

  /** @returns what the server has to say against the rows */
  async #attempt(window: Window, from: number, to: number): Promise<unknown> {
    const { client, place } = this.#care;
    try {
      const { checksum, ...counts } = await place(window.slice(from, to));
      await this.#keep();
      for (const name of ['written', 'unchanged', 'superseded'] as const) this.#total[name] += counts[name];
      this.#checksum.addSum(checksum);
      return undefined;
    } catch (error) {
      if (!faultOf(error)) throw error;
      await client.query('rollback to savepoint careful');
      return error;
    }
  }

  /** There is one savepoint at any time: one within the other would make the server run out of locks, and of its stack. */
  async #open(): Promise<void> {
    await this.#care.client.query('savepoint careful');
  }

  /** What was done so far is not undone with what is tried next. */
  async #keep(): Promise<void> {
    await this.#care.client.query('release savepoint careful; savepoint careful');
  }

  async #writeDown(): Promise<void> {
    await this.#care.intake.writeDown();
    await this.#keep();
  }

  async #close(): Promise<void> {
    await this.#care.client.query('release savepoint careful');
  }

  #refersToItself(error: unknown): boolean {
    return breaks(
      error,
      this.#care.table.selfReferences.map(({ name }) => name),
    );
  }
}

/**
 * How many rows are tried at once: fewer where guilty ones lie close together, since what comes behind the first of them
 * is sent in vain.
 */
class Reach {
  rows = WINDOW_ROWS;
  /** Rows that were placed since the last one that was not. */
  #between = 0;

  placed(rows: number): void {
    this.#between += rows;
    this.rows = Math.min(2 * this.rows, WINDOW_ROWS);
  }

  failed(): void {
    this.rows = Math.min(Math.max(1, 2 * this.#between), WINDOW_ROWS);
    this.#between = 0;
  }
}
