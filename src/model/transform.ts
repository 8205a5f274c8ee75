import type { RecordBatch } from '../arrow/batch.ts';
import type { ColumnTypes, RowOf } from './columns.ts';
import type { LakeTarget } from './lake-target.ts';
import type { Target } from './target.ts';

/** A query over `source`, run inside DuckDB. */
export interface SqlTransform {
  kind: 'sql';
  text: string;
}

/** A function over record batches. It is also called with an empty batch, to learn its result's schema. */
export interface BatchTransform {
  kind: 'batches';
  map: (batch: RecordBatch) => RecordBatch | Promise<RecordBatch>;
}

/** A function over the records of a source, which fills all tables of the job. */
export interface RecordTransform {
  kind: 'records';
  map: (record: unknown, emit: Readonly<Record<string, (...given: never[]) => void>>) => unknown;
}

export type Transform = SqlTransform | BatchTransform | RecordTransform;

/** The name of a table without its schema and its quotes. */
type BareName<Name extends string> = Name extends `${string}."${infer Bare}"`
  ? Bare
  : Name extends `"${infer Bare}"`
    ? Bare
    : Name extends `${string}.${infer Bare}`
      ? Bare
      : Name;

/** What becomes of a record: a function for each table, by its bare name, and what else there is to say about it. */
export type Emit<Targets extends Readonly<Record<string, Target | LakeTarget>>> = {
  readonly [Name in keyof Targets & string as BareName<Name>]: (
    row: Targets[Name] extends Target<infer Columns> | LakeTarget<infer Columns> ? RowOf<Columns> : RowOf<ColumnTypes>,
  ) => void;
} & {
  /**
   * Keeps the record aside as a whole: rows that were given for it are not loaded.
   * @param reason short and stable, for grouping, such as `unknown_entity`
   */
  reject(reason: string, message?: string): void;
  /** Notes on the partition that something was missing or odd; the record is loaded all the same. */
  warn(message: string): void;
};

/** Declared as a method, so that a job may say more about its records than the source does. */
export type RecordFunction<Value, Targets extends Readonly<Record<string, Target | LakeTarget>>> = {
  map(record: Value, emit: Emit<Targets>): void | Promise<void>;
}['map'];
