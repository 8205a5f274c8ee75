import { DrayageError, locate } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import type { Duck } from '../duckdb/instance.ts';
import { describeFrom, rows } from '../duckdb/scan.ts';
import { type DuckColumn, quotePath } from '../duckdb/types.ts';
import type { SourceContext } from '../model/source.ts';
import type { FoundFile } from './format.ts';

interface Described {
  file: string;
  columns: Promise<DuckColumn[]>;
  untilMs: number;
}

/** Of the file that was looked at last: a plan looks twice, and each of its partitions once more. */
const latest = new WeakMap<Duck, Described>();
const KEPT_MS = 1_000;

/**
 * The columns of a file, as DuckDB reads them.
 * @param place where that is
 * @throws SOURCE_INVALID
 */
export function columnsOf(place: string, file: FoundFile, context: SourceContext): Promise<DuckColumn[]> {
  const known = latest.get(context.duck);
  const key = JSON.stringify([file.path, file.size, file.version]);
  if (known?.file === key && performance.now() < known.untilMs) return known.columns;
  const columns = describeFile(place, file, context);
  latest.set(context.duck, { file: key, columns, untilMs: performance.now() + KEPT_MS });
  columns.catch(() => latest.delete(context.duck));
  return columns;
}

async function describeFile(place: string, file: FoundFile, context: SourceContext): Promise<DuckColumn[]> {
  const columns = await ask(place, file, context, (connection, path) =>
    describeFrom(connection, `read_parquet(${path}, hive_partitioning = false)`),
  );
  const names = columns.map(({ name }) => name);
  const renamed = await renamedColumn(place, file, names, context);
  if (renamed) throw invalid(file, `has two columns whose names differ in capitals only: see "${renamed}"`);
  const taken = names.find((name) => name.toLowerCase() === 'file_row_number');
  if (taken) throw invalid(file, `has a column called "${taken}", as which DuckDB numbers rows: rename it`);
  return columns;
}

/**
 * DuckDB does not tell capitals from small letters, and puts a number behind the second of two such columns. Those that
 * may be one are held against the names in the file.
 */
async function renamedColumn(place: string, file: FoundFile, names: readonly string[], context: SourceContext) {
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const doubtful = names.filter((name) => lower.has(name.toLowerCase().replace(/_\d+$/, '')) && /_\d+$/.test(name));
  if (doubtful.length === 0) return undefined;
  const given = await ask(place, file, context, (connection, path) =>
    rows(connection, `select name from parquet_schema(${path})`),
  );
  const written = new Set(given.map(({ name }) => String(name)));
  return doubtful.find((name) => !written.has(name));
}

async function ask<Answer>(
  place: string,
  file: FoundFile,
  { duck }: SourceContext,
  query: (connection: DuckConnection, path: string) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await duck.use((connection) => query(connection, quotePath(place)));
  } catch (error) {
    const isOther = error instanceof DrayageError && (error.transient || /permission denied/i.test(error.message));
    if (isOther) throw locate(error, { file: file.path });
    throw unreadable(file, error);
  }
}

/** A file that DuckDB does not understand. */
export function unreadable(file: FoundFile, error: unknown): DrayageError {
  return new DrayageError('SOURCE_INVALID', `The Parquet file cannot be read: ${(error as Error).message}`, {
    where: { file: file.path },
    hint: 'Mend or remove the file.',
    cause: error,
  });
}

function invalid(file: FoundFile, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    hint: 'Replace the file, or leave it out of the path.',
  });
}
