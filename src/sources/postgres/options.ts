import { DrayageError } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';

export interface PostgresOptions {
  /** A table, a view, or another relation, as SQL has it: `orders`, `sales."Order"`. */
  table?: string;
  /** In place of a table: a query, which is one partition. */
  query?: string;
  /** Name of a variable of the environment that holds the connection string. Default: the database of Drayage itself. */
  database?: string;
  /**
   * The column by whose ranges the table is cut, which should have an index and never change; default the first column
   * of the primary key. `ctid`: by where rows lie, for a table that has no such column and that nobody changes meanwhile.
   */
  by?: string;
  /** Cut by the days, months or years (in UTC) of the column in `by`, in place of ranges of about the same size. */
  every?: Period;
  /** Rows aimed at per partition. Default 1,000,000. */
  partitionRows?: number;
  /** Bytes aimed at per partition, as the table takes them on disk. Default 256 MiB. */
  partitionBytes?: number;
  /** Columns that are read as the text that Postgres writes, whatever their type. */
  asText?: readonly string[];
  /**
   * What a run does with partitions whose rows have not changed since they were loaded: leave them out (the default), for
   * which the versions of all rows are looked at when the run is planned; or load them again.
   */
  unchanged?: 'skip' | 'reload';
  /**
   * Whether all partitions see the moment at which the run was planned, when a process stays that long: `dray run` and
   * `dray copy`. That is the default; until the last partition is read it keeps vacuum from dead rows of the whole database,
   * and the table from being altered or truncated. `partition`: each sees the moment at which it is read, as it does when
   * the run was planned by `dray enqueue`.
   */
  snapshot?: 'run' | 'partition';
}

export const PERIODS = ['day', 'month', 'year'] as const;
export type Period = (typeof PERIODS)[number];

/** With everything that has a default. */
export interface WholeOptions extends PostgresOptions {
  partitionRows: number;
  partitionBytes: number;
  asText: readonly string[];
  unchanged: 'skip' | 'reload';
  snapshot: 'run' | 'partition';
}

const DEFAULTS = {
  partitionRows: 1_000_000,
  partitionBytes: 256 * 1024 * 1024,
  asText: [] as readonly string[],
  unchanged: 'skip' as const,
  snapshot: 'run' as const,
};

const KNOWN = ['table', 'query', 'database', 'by', 'every', ...Object.keys(DEFAULTS)];

/** @throws JOB_INVALID */
export function checked(given: PostgresOptions): WholeOptions {
  const options = { ...DEFAULTS, ...given };
  const unknown = Object.keys(given).find((field) => !KNOWN.includes(field));
  if (unknown) throw invalid(unknown, `is unknown.${didYouMean(unknown, KNOWN)}`);
  const { table, query, by, every, database, unchanged, asText, snapshot } = options;
  for (const [field, value] of Object.entries({ table, query, by, database })) {
    if (value !== undefined && (typeof value !== 'string' || value.trim() === '')) {
      throw invalid(field, `is ${JSON.stringify(value)}, not a text`);
    }
  }
  if ((table === undefined) === (query === undefined))
    throw invalid('table', 'or a query has to be given, and not both');
  if (query !== undefined && (by !== undefined || every !== undefined)) {
    throw invalid('by', 'is of tables: a query is read as one partition; make it a view or say it in SQL');
  }
  if (database !== undefined && /[:/@]/.test(database)) {
    throw invalid(
      'database',
      'is a connection string, which would be kept with the job; name the variable that holds it',
    );
  }
  if (every !== undefined && !PERIODS.includes(every)) {
    throw invalid('every', `is "${every}", not ${PERIODS.join(', ')}.${didYouMean(every, PERIODS)}`);
  }
  if (every !== undefined && (by === undefined || by === 'ctid')) {
    throw invalid('by', 'has to name the column of the dates for `every`');
  }
  if (unchanged !== 'skip' && unchanged !== 'reload')
    throw invalid('unchanged', `is "${unchanged}", not skip or reload`);
  if (snapshot !== 'run' && snapshot !== 'partition')
    throw invalid('snapshot', `is "${snapshot}", not run or partition`);
  for (const field of ['partitionRows', 'partitionBytes'] as const) {
    if (!(options[field] >= 1)) throw invalid(field, `is ${options[field]}, and has to be at least 1`);
  }
  if (!Array.isArray(asText) || asText.some((name) => typeof name !== 'string')) {
    throw invalid('asText', 'has to be a list of columns');
  }
  return Object.freeze(options);
}

function invalid(field: string, problem: string): DrayageError {
  return new DrayageError('JOB_INVALID', `The source is wrong: ${field} ${problem}`, {
    where: { field: `postgres.${field}` },
  });
}
