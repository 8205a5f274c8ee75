import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { RecordTransform } from '../model/transform.ts';
import { Unfit } from '../postgres/encode/parsed.ts';
import { type Cell, cellBytes } from '../postgres/values/build.ts';
import type { ValueType } from '../postgres/values/index.ts';

/** A table that the job's function may give rows for. */
export interface RecordTable {
  /** How the function calls it. */
  name: string;
  columns: readonly { name: string; type: ValueType }[];
}

export interface Problem {
  column: string | null;
  reason: string;
  message: string;
}

/** A row as the function gave it: its cells in the order of the table's columns, or why it is none. */
export interface GivenRow {
  /** Which of the tables. */
  table: number;
  cells: readonly Cell[];
  /** About how many. */
  bytes: number;
  problem: Problem | undefined;
}

/** What the function made of a record. */
export interface Outcome {
  rows: readonly GivenRow[];
  /** The record is kept aside as a whole. */
  rejected: Problem | undefined;
  warnings: readonly string[];
}

/** Calls the job's function, and takes what it emits. */
export class RecordMapper {
  readonly #map: RecordTransform['map'];
  readonly #emit: Parameters<RecordTransform['map']>[1];
  #rows: GivenRow[] = [];
  #warnings: string[] = [];
  #rejected: Problem | undefined;
  /** Whether the function is at work; what it gives later is given to no record. */
  #open = false;
  #late = false;

  constructor({ map }: RecordTransform, tables: readonly RecordTable[]) {
    this.#map = map;
    const emit: Record<string, (...given: never[]) => void> = {
      reject: (reason: unknown, message?: unknown) => {
        this.#late ||= !this.#open;
        this.#rejected ??= { column: null, reason: String(reason), message: String(message ?? reason) };
      },
      warn: (message: unknown) => {
        this.#late ||= !this.#open;
        this.#warnings.push(String(message));
      },
    };
    for (const [index, table] of tables.entries()) {
      emit[table.name] = (row: Readonly<Record<string, unknown>>) => {
        this.#late ||= !this.#open;
        this.#rows.push(rowOf(row, table, index));
      };
    }
    this.#emit = Object.freeze(emit);
  }

  /** What the function throws is the record's reject; of others it says nothing. */
  async apply(record: unknown): Promise<Outcome> {
    this.assertNothingLate();
    this.#rows = [];
    this.#warnings = [];
    this.#rejected = undefined;
    this.#open = true;
    try {
      const result = this.#map(record, this.#emit);
      if (result instanceof Promise) await result;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#rejected = {
        column: null,
        reason: 'transform_failed',
        message: `the function of the transform failed: ${message}`,
      };
    } finally {
      this.#open = false;
    }
    return { rows: this.#rejected ? [] : this.#rows, rejected: this.#rejected, warnings: this.#warnings };
  }

  /** @throws TRANSFORM_FAILED when the function has emitted after it was done with a record */
  assertNothingLate(): void {
    if (!this.#late) return;
    throw new DrayageError('TRANSFORM_FAILED', 'The function of the transform emitted after it had returned', {
      hint: 'Wait for everything in it: make it async, and await what takes time.',
    });
  }
}

function rowOf(row: Readonly<Record<string, unknown>>, { name, columns }: RecordTable, table: number): GivenRow {
  const known = columns.map((column) => column.name);
  const unknown = Object.keys(row).find((column) => !known.includes(column));
  if (unknown !== undefined) {
    throw new TypeError(`emit.${name} has no column "${unknown}".${didYouMean(unknown, known)}`);
  }
  const cells: Cell[] = [];
  let bytes = 0;
  let problem: Problem | undefined;
  for (const { name: column, type } of columns) {
    const value = row[column];
    let cell: Cell = null;
    try {
      if (value !== null && value !== undefined) cell = type.convert(value);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problem ??= { column, reason: error.reason ?? type.unfit, message: error.message };
    }
    cells.push(cell);
    bytes += cellBytes(cell);
  }
  return { table, cells, bytes, problem };
}
