import type { RecordBatch } from '../arrow/batch.ts';

/** A batch on its way into a target, good until the next one is asked for. */
export interface SourceBatch {
  batch: RecordBatch;
  /** The 1-based number in the source of a row of the batch; null when the transform does not keep rows apart. */
  rowNumber(index: number): number | null;
  /** Whether it is known that nothing comes behind it. */
  last?: boolean;
}

/** A row that is kept aside instead of loaded. */
export interface Reject {
  table: string | null;
  row: number | null;
  column: string | null;
  reason: string;
  message: string;
  /** The row as JSON text. */
  raw: string;
}

/** What became of the rows of a partition. read = written + unchanged + superseded + rejected, always. */
export interface LoadCounts {
  read: number;
  written: number;
  /** Already there, and equal. */
  unchanged: number;
  /** Followed by a later row of the same key in the same partition. */
  superseded: number;
  rejected: number;
}

/** How many rows lost something that the job allows a column to lose. */
export interface Coercion {
  column: string;
  /** As in the target's `allow`, or `packed`. */
  loss: string;
  rows: number;
}

/** Something that was missing or odd, and kept nothing from being loaded. */
export interface Warning {
  /** The record that it is about; null for the partition as a whole. */
  row: number | null;
  message: string;
}

export interface LoadOutcome extends LoadCounts {
  coercions: Coercion[];
  /** Additive checksum of the rows sent, 16 hexadecimal digits. */
  checksum: string;
}

/** Keeps rejects in the transaction of the load. */
export interface KeepRejects {
  /** @param total how many the table has had so far, these included @throws TOO_MANY_REJECTS */
  (rejects: readonly Reject[], total: number): Promise<void>;
  /** With more than so many the partition fails, whatever is still to come; left out when that cannot be known. */
  readonly most?: number;
}

/** Told about progress while a load is going on; what is told is not committed yet. */
export type OnProgress = (rowsRead: number) => void;
