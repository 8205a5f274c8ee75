import { basename, extname } from 'node:path';
import type { ClientBase } from 'pg';
import { DrayageError } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import { bareName, defineJob } from '../../model/job.ts';
import type { Source, SourceContext } from '../../model/source.ts';
import { table } from '../../model/target.ts';
import { describeTable, type Table } from '../../postgres/catalog.ts';
import { postgresName } from '../../postgres/names.ts';
import { type InferredColumn, inferColumns, type SourceColumn } from '../../sinks/infer.ts';
import { inferredDdl } from '../../sinks/tables.ts';
import { OtherDelimiter } from '../../sources/csv-options.ts';
import { files } from '../../sources/files.ts';
import { postgres } from '../../sources/postgres/index.ts';
import { withSourceContext } from '../plan.ts';
import { prepareJob } from '../prepare.ts';
import { columnSets } from '../routes.ts';
import type { Services } from '../services.ts';
import { type DraftColumn, type DraftedJob, jobText } from './text.ts';
import { differs, duckdbType, roomy } from './types.ts';

export interface DraftRequest {
  /** Name of the job; made of the table's when left out. */
  name: string | undefined;
  from: DraftedJob['from'];
  /** The table to fill, as SQL has it; named like the source when left out. */
  to: string | undefined;
  /** Columns of the table that tell rows apart; none: rows are appended. Left out: those of a table that is there. */
  key: readonly string[] | undefined;
}

/** A job that is written but not kept yet. */
export interface Draft {
  job: string;
  to: string;
  key: readonly string[];
  columns: readonly DraftColumn[];
  /** Columns of a table that is there for which the source has nothing. */
  unfilled: readonly string[];
  /** Below the project root. */
  files: { path: string; text: string }[];
}

/** Files whose types were found by reading, and are therefore written down: a row of other types is then a reject. */
const TEXT = /\.(csv|tsv|tab|jsonl|ndjson|json)(\.gz|\.zst)?$/i;

/**
 * Writes a job, and the DDL of its table where there is none, from the columns of files or of a table.
 * @throws USAGE for a key or a name that cannot be; what reading the source throws
 */
export async function draftJob(services: Services, request: DraftRequest, signal: AbortSignal): Promise<Draft> {
  const to = request.to ?? tableName(request.from);
  const name = request.name ?? jobName(to);
  const { from, sets } = await withSourceContext(services, signal, (context) => lookedInto(request.from, context));
  const client = services.target as unknown as ClientBase;
  const existing = await describeTable(client, to);
  const isText = from.kind === 'files' && TEXT.test(from.path) && sets.length === 1;
  const { columns, unfilled } = existing ? matched(inferColumns(sets), existing) : renamed(inferColumns(sets), isText);
  const loaded = columns.filter(({ column }) => column !== undefined);
  const key = keyOf(request.key, existing, loaded);
  const types = isText ? sets[0]!.map((column) => ({ ...column, type: pinnedType(column, columns, existing) })) : [];
  const ddl = `${fileName(to)}.sql`;
  const shown = isText ? columns.map(({ cast: _, ...column }) => column) : columns;
  const job: DraftedJob = { name, from, to, key, columns: shown, types, ddl: existing ? undefined : ddl };
  const drafted = [{ path: `jobs/${name}.ts`, text: jobText(job) }];
  if (!existing) {
    const made = loaded.map(({ column, type, source }) => ({ name: column!, source, type }));
    const target = table({ createTable: 'infer', key, mode: key.length > 0 ? 'upsert' : 'append' });
    const statements = await inferredDdl(client, { name: to, target, columns: async () => made });
    const text = `-- Made when it is absent; change it before the first run.\n${statements.join(';\n\n')};\n`;
    drafted.push({ path: `sql/targets/${ddl}`, text });
  }
  return { job: name, to, key, columns, unfilled, files: drafted };
}

/** The columns that a source has; CSV is read by the delimiter that it seems to have. */
async function lookedInto(from: DraftedJob['from'], context: SourceContext) {
  const { source } = prepareJob({ job: temporary(sourceOf(from)), path: '', version: '' }, {});
  try {
    return { from, sets: await columnSets(source, context, undefined) };
  } catch (error) {
    const other = [error, (error as Error).cause].find((one) => one instanceof OtherDelimiter);
    if (!other || from.kind !== 'files') throw error;
    return lookedInto({ ...from, delimiter: other.delimiter }, context);
  }
}

function temporary(source: Source) {
  return defineJob({
    name: 'draft',
    description: 'A draft',
    source: () => source,
    targets: { t: table({ createTable: 'infer' }) },
  });
}

function sourceOf(from: DraftedJob['from']): Source {
  if (from.kind === 'files') {
    return files(from.path, from.delimiter === undefined ? {} : { csv: { delimiter: from.delimiter } });
  }
  return postgres({ table: from.table, ...(from.database === undefined ? {} : { database: from.database }) });
}

/** A table that is there takes the columns that are called like its own, whatever their capitals. */
function matched(found: readonly InferredColumn[], existing: Table) {
  const takes = new Map(
    existing.columns.filter(({ generated }) => !generated).map(({ name }) => [plainName(name), name]),
  );
  const columns = found.map(({ source, type }): DraftColumn => {
    const column = takes.get(plainName(source));
    if (column !== undefined) takes.delete(plainName(source));
    const into = existing.columns.find(({ name }) => name === column)?.type;
    const cast = into !== undefined && differs(type, into) ? duckdbType(into) : undefined;
    return { source, column, type: into ?? type, ...(cast === undefined ? {} : { cast }) };
  });
  if (columns.every(({ column }) => column === undefined)) {
    throw new DrayageError('USAGE', `No column of the source is called like one of ${existing.sql}`, {
      hint: `It has ${existing.columns.map(({ name }) => name).join(', ')}; the source has ${found.map(({ source }) => source).join(', ')}.`,
    });
  }
  return { columns, unfilled: [...takes.values()] };
}

/** A table that is made gets names that need no quotes. */
function renamed(found: readonly InferredColumn[], isText: boolean) {
  const taken = new Set<string>();
  const columns = found.map(({ source, type }): DraftColumn => {
    const plain = postgresName(plainName(source));
    let column = plain;
    for (let number = 2; taken.has(column); number++) column = `${plain}_${number}`;
    taken.add(column);
    return { source, type: isText ? roomy(type) : type, column };
  });
  return { columns, unfilled: [] };
}

/** What a column of a text file is read as: what its column in the table is, so that a value that is none is a reject. */
function pinnedType(
  { name, type }: SourceColumn,
  columns: readonly DraftColumn[],
  existing: Table | undefined,
): string {
  const into = columns.find(({ source, column }) => source === name && column !== undefined);
  return (existing && into && duckdbType(into.type)) ?? roomy(type === '"NULL"' ? 'VARCHAR' : type);
}

/** `Country Name` and `countryName` as `country_name`. */
function plainName(source: string): string {
  const words = source
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, '_')
    .replaceAll(/^_+|_+$/g, '');
  if (words === '') return 'unnamed';
  return /^\p{N}/u.test(words) ? `_${words}` : words;
}

function keyOf(
  given: readonly string[] | undefined,
  existing: Table | undefined,
  loaded: readonly DraftColumn[],
): readonly string[] {
  const names = loaded.map(({ column }) => column!);
  for (const name of given ?? []) {
    if (names.includes(name)) continue;
    throw new DrayageError('USAGE', `The table has no column "${name}" for the key.${didYouMean(name, names)}`, {
      hint: `Its columns: ${names.join(', ')}.`,
    });
  }
  if (given) return given;
  const unique = existing?.uniqueIndexes.find(({ predicate, columns }) => {
    return predicate === null && columns.every((column) => names.includes(column));
  });
  return unique?.columns ?? [];
}

function tableName(from: DraftedJob['from']): string {
  if (from.kind === 'table') return plainName(bareName(from.table));
  const last = basename(from.path.replace(/\/$/, ''));
  const bare = last.replace(/\.(gz|zst)$/i, '');
  const name = /[*?[{]/.test(bare) ? basename(from.path.replace(/[*?[{].*$/s, '')) : bare.replace(extname(bare), '');
  return plainName(name);
}

function jobName(to: string): string {
  const name = plainName(bareName(to))
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+|-+$/g, '');
  if (name !== '') return name;
  throw new DrayageError('USAGE', `No name for the job can be made of "${to}"`, { hint: 'Give one with --name.' });
}

function fileName(to: string): string {
  return plainName(bareName(to));
}
