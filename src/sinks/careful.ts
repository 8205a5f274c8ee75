import type { ClientBase } from 'pg';
import type { SourceBatch } from '../model/sink.ts';
import { Checksum } from '../postgres/checksum.ts';
import { faultOf, type RowFault, rowInCopy } from '../postgres/errors.ts';
import type { Intake } from './intake.ts';
import type { Stretch } from './row-copy.ts';

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

/**
 * Loads what Postgres does not take as a whole: in windows, each under a savepoint. In a window that fails, the guilty
 * row is known when the server names its place in the COPY; otherwise the rows are halved until it stands alone.
 * @param batches that stay good
 */
export async function loadCarefully(
  client: ClientBase,
  intake: Intake,
  batches: AsyncIterable<SourceBatch>,
  place: Place,
  onProgress: (rowsRead: number) => void,
): Promise<Placed> {
  const total = { written: 0, unchanged: 0, superseded: 0 };
  const checksum = new Checksum();
  const reach = new Reach();
  let window = new Window();
  const flush = async () => {
    const placed = await placeWindow(client, intake, window, reach, place);
    for (const { checksum: sum, ...counts } of placed) {
      for (const name of ['written', 'unchanged', 'superseded'] as const) total[name] += counts[name];
      checksum.addSum(sum);
    }
    await intake.writeDown();
    window = new Window();
    onProgress(intake.read);
  };
  for await (const source of batches) {
    for (const stretch of intake.examine(source)) window.add(source, stretch);
    if (window.rows >= WINDOW_ROWS) await flush();
  }
  await flush();
  return { ...total, checksum: checksum.toString() };
}

async function placeWindow(
  client: ClientBase,
  intake: Intake,
  window: Window,
  reach: Reach,
  place: Place,
): Promise<Placed[]> {
  const placed: Placed[] = [];
  let at = 0;
  /** The next row that the server has named, and what is wrong with it. */
  let named: { row: number; fault: RowFault } | undefined;
  /** The end of the rows among which there is a guilty one that the server has not named. */
  let suspects: number | undefined;
  const reject = (fault: RowFault) => {
    const [source, index] = window.find(at);
    intake.reject(source, index, fault);
    at++;
    named = suspects = undefined;
    reach.rejected();
  };
  // There is one savepoint at any time. One within the other would make the server run out of locks, and of its stack.
  await client.query('savepoint careful');
  while (at < window.rows) {
    if (named?.row === at) {
      reject(named.fault);
      continue;
    }
    const end = Math.min(at + reach.rows, named?.row ?? window.rows, window.rows);
    const to = suspects === undefined ? end : at + Math.max(1, (suspects - at) >> 1);
    try {
      placed.push(await place(window.slice(at, to)));
      await client.query('release savepoint careful; savepoint careful');
      reach.placed(to - at);
      at = to;
      if (at === suspects) suspects = undefined;
    } catch (error) {
      const fault = faultOf(error);
      if (!fault) throw error;
      await client.query('rollback to savepoint careful');
      const guilty = to - at === 1 ? 0 : rowInCopy(error, to - at);
      if (guilty === undefined) suspects = to;
      else {
        named = { row: at + guilty, fault };
        suspects = undefined;
      }
    }
  }
  await client.query('release savepoint careful');
  return placed;
}

/**
 * How many rows are tried at once: fewer where guilty ones lie close together, since what comes behind the first of them
 * is sent in vain.
 */
class Reach {
  rows = WINDOW_ROWS;
  /** Rows that were placed since the last one that was rejected. */
  #between = 0;

  placed(rows: number): void {
    this.#between += rows;
    this.rows = Math.min(2 * this.rows, WINDOW_ROWS);
  }

  rejected(): void {
    this.rows = Math.min(Math.max(1, 2 * this.#between), WINDOW_ROWS);
    this.#between = 0;
  }
}

/** Rows of several batches as one row of rows. */
class Window {
  rows = 0;
  readonly #parts: { source: SourceBatch; stretch: Stretch; start: number }[] = [];

  add(source: SourceBatch, stretch: Stretch): void {
    this.#parts.push({ source, stretch, start: this.rows });
    this.rows += stretch.to - stretch.from;
  }

  slice(from: number, to: number): Stretch[] {
    const slices = this.#parts.map(({ stretch, start }) => ({
      batch: stretch.batch,
      from: Math.max(stretch.from, stretch.from + from - start),
      to: Math.min(stretch.to, stretch.from + to - start),
    }));
    return slices.filter((slice) => slice.to > slice.from);
  }

  /** The batch of a row, and its place in it. */
  find(row: number): [SourceBatch, number] {
    const { source, stretch, start } = this.#parts.findLast((part) => part.start <= row)!;
    return [source, stretch.from + row - start];
  }
}
