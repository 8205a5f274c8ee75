import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';

export type Mode = 'append' | 'upsert';

export interface TargetOptions {
  /** File in `sql/targets/` that creates the table; run when the table is absent. */
  ddl?: string;
  /**
   * File in `sql/targets/` that is run when all rows are in: indexes and constraints. Every statement is sent by itself,
   * outside of a transaction. Must do no harm twice; what exists already counts as done, so name what is created.
   */
  after?: string;
  /** `append` adds rows; `upsert` replaces those with the same key, and leaves equal ones alone. Default append. */
  mode?: Mode;
  /** Columns of a unique index; needed for upsert. */
  key?: readonly string[];
}

/** A Postgres table that a job fills. */
export interface Target {
  kind: 'table';
  ddl: string | undefined;
  after: string | undefined;
  mode: Mode;
  key: readonly string[];
}

const FIELDS = ['ddl', 'after', 'mode', 'key'];

/** @throws JOB_INVALID with the field at fault */
export function table(options: TargetOptions = {}): Target {
  const unknown = Object.keys(options).find((field) => !FIELDS.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, FIELDS)}`);
  const { ddl, after, mode = 'append', key = [] } = options;
  if (mode !== 'append' && mode !== 'upsert') throw invalid('mode', `is "${mode}", not append or upsert`);
  if (mode === 'upsert' && key.length === 0) throw invalid('key', 'is missing, and upsert needs one');
  return Object.freeze({ kind: 'table', ddl, after, mode, key });
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The target is wrong: ${field} ${problem}`, {
    where: { field: `table.${field}` },
  });
}
