import type { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import type { Duck } from '../duckdb/instance.ts';
import type { WideRows } from '../duckdb/slices.ts';
import type { DuckColumn } from '../duckdb/types.ts';
import type { Spool } from '../store/spool.ts';

/** What a source may use while it is enumerated or read. */
export interface SourceContext {
  duck: Duck;
  /** Relative paths start here. */
  root: string;
  /** Folder for temporary files. */
  spool: string;
  /** Room for temporary files that are not small. */
  disk: Spool;
  /**
   * Connection string of the database that is filled, or of the one in a variable of the environment.
   * @throws CONFIG_INVALID when the variable is not set
   */
  databaseUrl(variable?: string): string;
  /** Given where a run is planned by a process that stays until all of it is read. */
  keeper?: Keeper;
  signal: AbortSignal;
}

/** Keeps what partitions have in common until the last one of them is read. */
export interface Keeper {
  /** What goes by this name; opened when it is asked for the first time. */
  keep<Kept extends { close(): Promise<void> }>(name: string, open: () => Promise<Kept>): Promise<Kept>;
}

/** One partition, as planned. */
export interface PartitionPlan {
  /** Stable and readable inside a run, for example `data/train.parquet#rows=1-122880`. */
  key: string;
  /** Identity of the content, apart from the job's own version. */
  fingerprint: string;
  /** Given where content has nothing to be told by, so that the fingerprint is another one each time. */
  unversioned?: true;
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
  spec: Record<string, string | number | readonly number[]>;
}

/** Only these rows or records, by their numbers. */
export type RowFilter = readonly number[];

/** A row or record that the source itself found unreadable. */
export interface SourceFault {
  /** 1-based within the file of a relation, or within the partition. */
  row: number;
  reason: string;
  message: string;
  /** The row as it was found, as JSON text. */
  raw: string;
}

/** One thing that a source of records gives to the job's function. */
export interface SourceRecord<Value> {
  /** 1-based number within the partition; the same whenever the partition is read. */
  row: number;
  value: Value;
  /** The record as JSON text, for the rejects; only asked for when there is something to reject. */
  raw(): string;
}

/** A partition that is open for reading. */
export type OpenPartition<Value = unknown> = OpenRelation | OpenRecords<Value>;

interface Open {
  /** @throws SOURCE_CHANGED when the content is no longer what was planned */
  assertUnchanged(): Promise<void>;
  /** What is to be known about how it was read; kept with the partition. Asked for when it has been. */
  warnings?(): readonly string[];
  /** False when the content may change between two readings, so that a number then means another row or record. */
  replayable?: false;
  close(): Promise<void>;
}

/** Rows that DuckDB reads. */
export interface OpenRelation extends Open {
  /** A DuckDB query with the source's columns and, named ROW, as the last one the 1-based number of the row or line in its file. */
  relation: string;
  /** What describing the relation would give, but for ROW, where that is known without. */
  columns?(): Promise<DuckColumn[]>;
  /** Called with a query over the relation before it is read, so that no more is fetched than it needs. */
  prepare?(query: string, connection: DuckConnection): Promise<void>;
  /**
   * Makes the relation readable at once, for somebody who reads every value of it and counts the rows, in the place of
   * `prepare`; that is called after all when there is doubt. Undefined when there is nothing to be gained.
   */
  unchecked?(): Promise<Unchecked | undefined>;
  /** How many rows it has, when that is known before they are read. */
  rows?: number;
  /** Relations that give the same rows, to be read one after the other: one at once would take more memory. */
  parts?: readonly { relation: string; rows: number }[];
  /** The same, where it has so many columns that a few should be read at a time. */
  wide?: WideRows;
  /** What DuckDB takes to read it, as far as that is known. */
  memoryBytes?: number;
  /** Types of columns that come from Postgres, as it writes them, for a table that is made for them. */
  declared?: Readonly<Record<string, string>>;
  /** Unreadable rows; they are left out of the relation. */
  faults(): AsyncIterable<SourceFault>;
}

/** The same partition as another relation, of which nothing is known any more but how many rows it has. */
export function madeOf(opened: OpenRelation, relation: string): OpenRelation {
  const { columns: _, unchecked: __, parts: ___, wide: ____, declared: _____, ...kept } = opened;
  return { ...kept, relation };
}

/**
 * A reading that began before anybody had looked whether the content is what it seems; that is found out meanwhile. It may
 * also fail for what is wrong with the content, and says nothing about what that is.
 */
export interface Unchecked {
  /** Given when something is doubtful, so that the reading comes to nothing. */
  doubt: AbortSignal;
  /** Whether all is well: no more and no fewer rows than there are, each as it stands there, and no faults. @param rows that were read */
  sure(rows: number): Promise<boolean>;
}

/** Thrown where an unchecked reading has come to nothing: what became of it has to be undone before it is read once more. */
export class ReadAgain extends Error {}

/** Records that a function of the job takes apart. */
export interface OpenRecords<Value> extends Open {
  /** In a stable order, however often they are asked for. An unreadable one comes as a fault in its place. */
  records(): AsyncIterable<SourceRecord<Value> | SourceFault>;
}

/** Where rows or records come from. */
export interface Source<Value = unknown> {
  /** In one line, for people. */
  description: string;
  /**
   * How far one snapshot of a database reaches: `run` when a keeper makes it that of all partitions, which otherwise have
   * one each. Absent where there is no such thing.
   */
  snapshot?: 'run' | 'partition';
  /**
   * The partitions, in a stable order and with constant memory.
   * @throws SOURCE_MISSING, SOURCE_INVALID
   */
  enumerate(context: SourceContext): AsyncIterable<PartitionPlan>;
  /**
   * A partition is about to be opened: what takes a moment may begin, while the tables are being looked at. What goes
   * wrong is met again when it is opened.
   */
  expect?(partition: Pick<PartitionPlan, 'spec'>, context: SourceContext): void;
  /** @throws SOURCE_MISSING, SOURCE_CHANGED */
  open(
    partition: Pick<PartitionPlan, 'key' | 'fingerprint' | 'spec'>,
    context: SourceContext,
  ): Promise<OpenPartition<Value>>;
}

/** A source whose columns can be told without reading it. */
export interface ColumnedSource extends Source<Record<string, unknown>> {
  /** Names and DuckDB types. @throws as `enumerate` */
  columns(context: SourceContext): Promise<Record<string, string>>;
}

/** The column of row numbers that every relation has; no user's column is called that. */
export const ROW = 'drayage:row';
