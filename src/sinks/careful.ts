import type { ClientBase } from 'pg';
import type { SourceBatch } from '../model/sink.ts';
import { Checksum } from '../postgres/checksum.ts';
import { faultOf, rowInCopy } from '../postgres/errors.ts';
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
 * row is known when the server names its place in the COPY; otherwise the window is halved until it stands alone.
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
  let window = new Window();
  const flush = async () => {
    const placed = await placeWindow(client, intake, window, place);
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

async function placeWindow(client: ClientBase, intake: Intake, window: Window, place: Place): Promise<Placed[]> {
  const placed: Placed[] = [];
  // Ranges of rows still to be placed, the first one last.
  const ranges: [from: number, to: number][] = [[0, window.rows]];
  for (let range = ranges.pop(); range; range = ranges.pop()) {
    const [from, to] = range;
    if (from === to) continue;
    await client.query('savepoint careful');
    try {
      placed.push(await place(window.slice(from, to)));
      await client.query('release savepoint careful');
    } catch (error) {
      const fault = faultOf(error);
      if (!fault) throw error;
      await client.query('rollback to savepoint careful');
      const guilty = to - from === 1 ? 0 : rowInCopy(error, to - from);
      if (guilty === undefined) {
        const middle = (from + to) >> 1;
        ranges.push([middle, to], [from, middle]);
      } else {
        const [source, index] = window.find(from + guilty);
        intake.reject(source, index, fault);
        ranges.push([from + guilty + 1, to], [from, from + guilty]);
      }
    }
  }
  return placed;
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
