import type { DrayageError } from '../base/errors.ts';
import type { Duck } from '../duckdb/instance.ts';

/** What a source may use while it is enumerated or read. */
export interface SourceContext {
  duck: Duck;
  /** Relative paths start here. */
  root: string;
  /** Folder for temporary files. */
  spool: string;
  signal: AbortSignal;
}

/** One partition, as planned. */
export interface PartitionPlan {
  /** Stable and readable inside a run, for example `data/train.parquet#rows=1-122880`. */
  key: string;
  /** Identity of the content, apart from the job's own version. */
  fingerprint: string;
  /** Rows that the source says there are; null when only reading tells. */
  rows: number | null;
  /** Bytes to read; null when unknown. */
  bytes: number | null;
  /** The file it lies in, for messages. */
  file: string;
  /** Equal for partitions with the same columns: these are checked against the target once. */
  shape: string;
  /** Why it cannot be read, when that is known already: the partition then fails, and the others go on. */
  problem?: DrayageError;
  /** What the source needs to find it again; kept as JSON. */
  spec: Record<string, string | number>;
}

/** A row that the source itself found unreadable. */
export interface SourceFault {
  row: number;
  reason: string;
  message: string;
  /** The row as it was found, as JSON text. */
  raw: string;
}

/** A partition that is open for reading. */
export interface OpenPartition {
  /** A DuckDB query with the source's columns and, named ROW, the 1-based number of the row or line in its file. */
  relation: string;
  /** Unreadable rows; they are left out of the relation. */
  faults(): AsyncIterable<SourceFault>;
  /** @throws SOURCE_CHANGED when the content is no longer what was planned */
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** Where rows come from. */
export interface Source {
  /** In one line, for people. */
  description: string;
  /**
   * The partitions, in a stable order and with constant memory.
   * @throws SOURCE_MISSING, SOURCE_INVALID
   */
  enumerate(context: SourceContext): AsyncIterable<PartitionPlan>;
  /** @throws SOURCE_MISSING, SOURCE_CHANGED */
  open(partition: Pick<PartitionPlan, 'key' | 'fingerprint' | 'spec'>, context: SourceContext): Promise<OpenPartition>;
}

/** The column of row numbers that every relation has; no user's column is called that. */
export const ROW = 'drayage:row';
