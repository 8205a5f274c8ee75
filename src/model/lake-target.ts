import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { S3Options } from '../store/s3.ts';
import type { ColumnTypes } from './columns.ts';

export const LAYOUTS = ['day', 'month', 'year', 'none'] as const;
export type Layout = (typeof LAYOUTS)[number];

export const COMPRESSIONS = ['snappy', 'zstd', 'gzip', 'none'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

export const BAD_DATES = ['reject', 'null partition'] as const;
export type BadDates = (typeof BAD_DATES)[number];

export const CHANGES = ['append', 'replace'] as const;
export type Changed = (typeof CHANGES)[number];

/** The values of a job's parameters, as `root` may use them. */
type Params = Readonly<Record<string, string | undefined>>;

export interface LakeOptions<Columns extends ColumnTypes = ColumnTypes> {
  /** A folder, or `s3://bucket/prefix`; a function of the job's parameters where they decide. */
  root: string | ((params: Params) => string | undefined);
  /** The folder below the root. Default: the name of the target. */
  dataset?: string;
  /**
   * The dataset's columns with their types as Postgres writes them: exactly these are written, and a value that its
   * column cannot hold as it is rejects its row. Left out, the columns are those that the transform gives.
   */
  columns?: Columns;
  /** The column whose date, in UTC, decides on the folder. Left out, all files lie in the dataset's folder. */
  date?: string;
  /** How fine the folders are: `year=2026/month=01/day=31`, or without its end. Default day. */
  layout?: Layout;
  /** Default snappy. */
  compression?: Compression;
  /** Rows of a row group. Default 122,880, and fewer when there are many columns. */
  rowGroupRows?: number;
  /** Columns that each file is sorted by. Default: the order of the source. */
  sort?: readonly string[];
  /**
   * What becomes of a row whose date is null, no date, infinite, or not of the years 1 to 9999: a reject (default), or
   * a place in the folder `__HIVE_DEFAULT_PARTITION__`, as Hive has it.
   */
  badDates?: BadDates;
  /**
   * When a partition is written again because its content or the job has changed: `append` (default) leaves what an
   * earlier run of the job has written for it, `replace` takes that out of the lake.
   */
  changed?: Changed;
  /** Where `s3://` is, in place of what the environment says. */
  s3?: S3Options;
}

/** A dataset of a lake that a job fills. */
export interface LakeTarget<Columns extends ColumnTypes = ColumnTypes> {
  kind: 'lake';
  root: LakeOptions['root'];
  dataset: string | undefined;
  columns: Columns | undefined;
  date: string | undefined;
  layout: Layout;
  compression: Compression;
  rowGroupRows: number | undefined;
  sort: readonly string[];
  badDates: BadDates;
  changed: Changed;
  s3: S3Options;
}

const FIELDS = [
  ...[
    'root',
    'dataset',
    'columns',
    'date',
    'layout',
    'compression',
    'rowGroupRows',
    'sort',
    'badDates',
    'changed',
    's3',
  ],
];

/** Parquet in a folder or in S3; docs/lake.md tells how it is laid out. @throws JOB_INVALID with the field at fault */
export function lake<const Columns extends ColumnTypes = ColumnTypes>(
  options: LakeOptions<Columns>,
): LakeTarget<Columns> {
  const unknown = Object.keys(options ?? {}).find((field) => !FIELDS.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, FIELDS)}`);
  const { root, dataset, columns, date, rowGroupRows, sort = [], s3 = {} } = options ?? {};
  const { layout = date === undefined ? 'none' : 'day', compression = 'snappy', badDates = 'reject' } = options ?? {};
  const { changed = 'append' } = options ?? {};
  if (typeof root !== 'function' && (typeof root !== 'string' || root === '')) {
    throw invalid('root', 'is missing: name a folder, or s3://bucket/prefix');
  }
  oneOf('layout', layout, LAYOUTS);
  oneOf('compression', compression, COMPRESSIONS);
  oneOf('badDates', badDates, BAD_DATES);
  oneOf('changed', changed, CHANGES);
  if (layout !== 'none' && date === undefined) throw invalid('date', `is missing, and the layout is by ${layout}`);
  if (rowGroupRows !== undefined && !(Number.isInteger(rowGroupRows) && rowGroupRows > 0)) {
    throw invalid('rowGroupRows', `is ${rowGroupRows}, not a whole number of at least 1`);
  }
  if (columns) {
    const names = Object.keys(columns);
    if (names.length === 0) throw invalid('columns', 'names none');
    const untyped = names.find((name) => typeof columns[name] !== 'string' || columns[name] === '');
    if (untyped !== undefined) throw invalid(`columns.${untyped}`, `is not a type, such as 'text'`);
    const missing = [...(date === undefined ? [] : [date]), ...sort].find((name) => !names.includes(name));
    if (missing !== undefined) throw invalid('columns', `lacks "${missing}", which date or sort name`);
  }
  const places = { root, dataset, columns, date, layout };
  return Object.freeze({ kind: 'lake', ...places, compression, rowGroupRows, sort, badDates, changed, s3 } as const);
}

function oneOf(field: string, value: string, known: readonly string[]): void {
  if (!known.includes(value))
    throw invalid(field, `is "${value}", not ${known.join(', ')}.${didYouMean(value, known)}`);
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The target is wrong: ${field} ${problem}`, {
    where: { field: `lake.${field}` },
  });
}
