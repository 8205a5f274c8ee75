import { rowToJson } from '../arrow/row-json.ts';
import type { KeepRejects, Reject, SourceBatch } from '../model/sink.ts';
import { BatchEncoder } from '../postgres/encode/batch.ts';
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
  #held: Reject[] = [];

  /** @param table what rejects are named by */
  constructor(table: string, columns: readonly MappedColumn[], keep: KeepRejects) {
    this.#table = table;
    this.#encoder = new BatchEncoder(columns);
    this.#positions = columns.map(({ position }) => position);
    this.#keep = keep;
  }

  /** The rows that can be encoded. */
  examine(source: SourceBatch): Stretch[] {
    const { batch } = source;
    const { faults, coerced } = this.#encoder.check(batch);
    for (const { row, ...fault } of faults) this.reject(source, row, fault);
    for (const [column, rows] of coerced) this.coerced.set(column, (this.coerced.get(column) ?? 0) + rows.size);
    this.read += batch.numRows;
    return stretchesWithout(batch, faults);
  }

  reject(source: SourceBatch, index: number, fault: Pick<Reject, 'column' | 'reason' | 'message'>): void {
    const raw = rowToJson(source.batch.selectAt(this.#positions), index);
    this.#held.push({ table: this.#table, row: source.rowNumber(index), ...fault, raw });
    this.rejected++;
  }

  /** Whether it is time to write down; no COPY may be going on then. */
  get isFull(): boolean {
    return this.#held.length >= REJECTS_HELD;
  }

  async writeDown(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    if (held.length > 0) await this.#keep(held, this.rejected);
  }
}
