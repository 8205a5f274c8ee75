import { rowToJson } from '../arrow/row-json.ts';
import type { KeepRejects, Reject, SourceBatch } from '../model/sink.ts';
import { BatchEncoder } from '../postgres/encode/batch.ts';
import type { Lost } from './circle.ts';
import type { MappedColumn } from './mapping.ts';
import { type Stretch, stretchesWithout } from './row-copy.ts';

/** Rejects held in memory before they have to be written down. */
const REJECTS_HELD = 1000;

/** Looks through what is read: passes on what can be encoded, and keeps the rest as rejects. */
export class Intake {
  read = 0;
  rejected = 0;
  /** By column, how many rows lost what the job allows. */
  readonly coerced = new Map<string, number>();
  readonly #table: string;
  readonly #encoder: BatchEncoder;
  readonly #positions: number[];
  readonly #keep: KeepRejects;
  readonly #lost: readonly Lost[];
  #held: Reject[] = [];

  /** @param table what rejects are named by @param lost rows that are known to refer to nothing */
  constructor(table: string, columns: readonly MappedColumn[], keep: KeepRejects, lost: readonly Lost[] = []) {
    this.#table = table;
    this.#encoder = new BatchEncoder(columns);
    this.#positions = columns.map(({ position }) => position);
    this.#keep = keep;
    this.#lost = lost;
  }

  /** The rows that can be encoded. */
  examine(source: SourceBatch): Stretch[] {
    const { batch } = source;
    const { faults, coerced } = this.#encoder.check(batch);
    for (const { row, ...fault } of faults) this.reject(source, row, fault);
    for (const [column, rows] of coerced) this.coerced.set(column, (this.coerced.get(column) ?? 0) + rows.size);
    this.read += batch.numRows;
    return this.#lost.reduce(
      (stretches, lost) => this.#without(source, stretches, lost),
      stretchesWithout(batch, faults),
    );
  }

  #without(source: SourceBatch, stretches: readonly Stretch[], lost: Lost): Stretch[] {
    return stretches.flatMap((stretch) => {
      const rows = lost.in(stretch);
      for (const row of rows) this.reject(source, row, { column: null, reason: 'foreign_key', message: lost.message });
      return stretchesWithout(
        stretch.batch,
        rows.map((row) => ({ row })),
        stretch,
      );
    });
  }

  reject(source: SourceBatch, index: number, fault: Pick<Reject, 'column' | 'reason' | 'message'>): void {
    const raw = rowToJson(source.batch.selectAt(this.#positions), index);
    this.#held.push({ table: this.#table, row: source.rowNumber(index), ...fault, raw });
    this.rejected++;
  }

  /** Whether it is time to write down, or there are too many to go on; no COPY may be going on then. */
  get isFull(): boolean {
    const { most = Number.POSITIVE_INFINITY } = this.#keep;
    return this.#held.length >= REJECTS_HELD || this.rejected > most;
  }

  /** @throws TOO_MANY_REJECTS */
  async writeDown(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    if (held.length > 0) await this.#keep(held, this.rejected);
  }
}
