import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { LOSSES, type Loss } from '../postgres/encode/coerce.ts';
import type { ColumnTypes } from './columns.ts';
import { MODES, type Mode } from './modes.ts';

export const CONFLICTS = ['update', 'ignore', 'error'] as const;
export type OnConflict = (typeof CONFLICTS)[number];

export interface TargetOptions<Columns extends ColumnTypes = ColumnTypes> {
  /** File in `sql/targets/` that creates the table; run when the table is absent. */
  ddl?: string;
  /**
   * File in `sql/targets/` that is run when all rows are in: indexes and constraints. Every statement is sent by itself,
   * outside of a transaction. Must do no harm twice; what exists already counts as done, so name what is created.
   */
  after?: string;
  /**
   * The columns that a function over records fills, with their types: exactly these are loaded, and one that a row leaves
   * out is null. Columns that are not named here are left to the table's defaults.
   */
  columns?: Columns;
  /** `infer` makes the table from the source's columns when it is absent. */
  createTable?: 'infer';
  /** Columns that the table lacks are added to it before anything is loaded. */
  evolve?: boolean;
  /** Default append. */
  mode?: Mode;
  /** Columns of a unique index; needed for upsert and merge, and the primary key of an inferred table. */
  key?: readonly string[];
  /** What an upsert does with a row whose key is there already. Default update. */
  onConflict?: OnConflict;
  /** A column that grows with every change of a row: a row that is older than the one in the table changes nothing. */
  version?: string;
  /** For merge: the source holds every row that there is, so that a key it no longer has is deleted. */
  complete?: boolean;
  /** By column, what it may lose; every row that does is counted. Anything else that would be lost is a reject. */
  allow?: Readonly<Record<string, Loss>>;
  /** Columns of the source that the table has no column for go together into one. */
  pack?: { into: string; as: 'jsonb' | 'array' };
  /** Columns are spread over the table and those named like it with _2, _3 …; each has the key. */
  split?: boolean;
}

/** A Postgres table that a job fills. */
export interface Target<Columns extends ColumnTypes = ColumnTypes> {
  kind: 'table';
  columns: Columns | undefined;
  ddl: string | undefined;
  after: string | undefined;
  infer: boolean;
  evolve: boolean;
  mode: Mode;
  key: readonly string[];
  onConflict: OnConflict;
  version: string | undefined;
  allow: Readonly<Record<string, Loss>>;
  pack: { into: string; as: 'jsonb' | 'array' } | undefined;
  split: boolean;
}

/** The options of `table`. */
export const TARGET_FIELDS = [
  ...['ddl', 'after', 'createTable', 'evolve', 'mode', 'key', 'onConflict', 'version', 'complete', 'allow'],
  ...['pack', 'split', 'columns'],
];

/** @throws JOB_INVALID with the field at fault */
export function table<const Columns extends ColumnTypes = ColumnTypes>(
  options: TargetOptions<Columns> = {},
): Target<Columns> {
  const unknown = Object.keys(options).find((field) => !TARGET_FIELDS.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, TARGET_FIELDS)}`);
  const { ddl, after, createTable, evolve = false, mode = 'append', key = [] } = options;
  const { onConflict = 'update', version, complete = false, allow = {}, pack, split = false, columns } = options;
  oneOf('mode', mode, MODES);
  oneOf('onConflict', onConflict, CONFLICTS);
  const keyed = mode === 'upsert' || mode === 'merge';
  if (createTable !== undefined && createTable !== 'infer') throw invalid('createTable', 'is not "infer"');
  if (createTable && ddl) throw invalid('createTable', 'and ddl both say what the table is');
  if (keyed && key.length === 0) throw invalid('key', `is missing, and ${mode} needs one`);
  if (split && key.length === 0) throw invalid('key', 'is missing, and split needs one to hold the tables together');
  if (mode !== 'upsert' && options.onConflict) throw invalid('onConflict', `has no meaning with mode ${mode}`);
  if (version !== undefined && (!keyed || onConflict !== 'update')) {
    throw invalid('version', 'has a meaning only where rows are updated: upsert or merge');
  }
  if (mode === 'merge' && !complete) {
    throw invalid('complete', 'is missing: merge deletes rows that the source no longer has, so say complete: true');
  }
  if (mode !== 'merge' && complete) throw invalid('complete', `has no meaning with mode ${mode}`);
  if (split && (mode === 'replace' || mode === 'merge' || pack))
    throw invalid('split', `does not go with ${pack ? 'pack' : mode}`);
  for (const [column, loss] of Object.entries(allow)) oneOf(`allow.${column}`, loss, Object.keys(LOSSES));
  if (pack && (typeof pack.into !== 'string' || !['jsonb', 'array'].includes(pack.as))) {
    throw invalid('pack', `is not { into: 'column', as: 'jsonb' | 'array' }`);
  }
  if (columns) assertColumns(columns, options);
  return Object.freeze({
    columns,
    ...{ kind: 'table', ddl, after, infer: createTable === 'infer', evolve },
    ...{ mode, key, onConflict, version, allow, pack, split },
  } as const);
}

function assertColumns(columns: ColumnTypes, { key = [], version, pack, split }: TargetOptions): void {
  const names = Object.keys(columns);
  if (names.length === 0) throw invalid('columns', 'names none');
  const untyped = names.find((name) => typeof columns[name] !== 'string' || columns[name] === '');
  if (untyped !== undefined) throw invalid(`columns.${untyped}`, `is not a type, such as 'text'`);
  for (const name of version === undefined ? key : [...key, version]) {
    if (!names.includes(name)) throw invalid('columns', `lacks "${name}", which is part of the key or the version`);
  }
  if (pack || split) throw invalid('columns', `does not go with ${pack ? 'pack' : 'split'}`);
}

function oneOf(field: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw invalid(field, `is "${value}", not ${known.join(', ')}.${didYouMean(value, known)}`);
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The target is wrong: ${field} ${problem}`, {
    where: { field: `table.${field}` },
  });
}
