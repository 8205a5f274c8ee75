import type { Field } from '../arrow/batch.ts';
import { fieldOf, listField } from '../arrow/types.ts';
import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { exactObject } from '../duckdb/exact-json.ts';
import { type DuckColumn, type Form, NULL_TYPE, quoteIdentifier } from '../duckdb/types.ts';
import type { Target } from '../model/target.ts';
import type { Table, TableColumn } from '../postgres/catalog.ts';
import { encoderFor, takesNested } from '../postgres/encode/index.ts';
import { postgresName } from '../postgres/names.ts';

/** What is read for a table. */
export interface Arrangement {
  /** What each column is called and the expression in DuckDB that gives it. */
  select: { name: string; expression: string }[];
  /** Columns of the source that do not go into the table, and why. */
  skipped: { column: string; why: string }[];
}

/**
 * Decides which columns of the source are read for a table, and in what form: lists and structs as they are where the
 * column takes them, else as JSON.
 * @param siblings the other tables of a split target
 * @throws TARGET_INVALID for a column that has nowhere to go, TYPE_UNMAPPED
 */
export function arrange(
  columns: readonly DuckColumn[],
  table: Table,
  target: Target,
  siblings: readonly Table[],
): Arrangement {
  const select: Arrangement['select'] = [];
  const skipped: Arrangement['skipped'] = [];
  const packed: DuckColumn[] = [];
  for (const column of columns) {
    const found = columnOf(table, column.name);
    if (found?.generated) skipped.push({ column: column.name, why: 'computed by Postgres' });
    else if (found) select.push({ name: column.name, expression: readFor(column, found) });
    else if (target.pack) packed.push(column);
    else if (siblings.some((sibling) => columnOf(sibling, column.name))) continue;
    else throw nowhere(column.name, table);
  }
  if (target.pack && packed.length > 0) {
    const { into, as } = target.pack;
    if (!columnOf(table, into)) throw nowhere(into, table);
    select.push({ name: into, expression: as === 'array' ? asArray(packed) : asJson(packed) });
  }
  return { select, skipped };
}

/**
 * As `arrange`, for columns that go through a function of the job before they reach the table.
 * @param table undefined for a lake, which takes lists and structs as they are
 */
export function arrangeAll(columns: readonly DuckColumn[], table?: Table): Arrangement {
  const select = columns.map((column) => {
    const expression = table ? readFor(column, columnOf(table, column.name)) : read(column, 'nested');
    return { name: column.name, expression };
  });
  return { select, skipped: [] };
}

/** The columns of a table by their names: to look through all of them for each is too long when there are many. */
const byName = new WeakMap<Table, Map<string, TableColumn>>();

/** The column that a column of the source goes into. */
export function columnOf(table: Table, name: string): TableColumn | undefined {
  const columns = byName.get(table) ?? new Map(table.columns.map((column) => [column.name, column]));
  byName.set(table, columns);
  return columns.get(postgresName(name));
}

function formFor(column: TableColumn | undefined): Form {
  return column && takesNested(column.pgType) ? 'nested' : 'json';
}

/** @throws TYPE_UNMAPPED */
function readFor(column: DuckColumn, found: TableColumn | undefined): string {
  return (found && nullFor(column, found)) ?? read(column, formFor(found));
}

/** What a null is cast to where nothing else says its type: together they go into nearly every column. */
const NULLS: Readonly<Record<string, Field>> = {
  INTEGER: fieldOf('null', 'int32'),
  VARCHAR: fieldOf('null', 'utf8'),
  FLOAT: fieldOf('null', 'float32'),
  BOOLEAN: fieldOf('null', 'bool'),
  DATE: fieldOf('null', 'date'),
  TIME: fieldOf('null', 'time'),
  TIMESTAMP: fieldOf('null', 'timestamp'),
  TIMESTAMPTZ: fieldOf('null', 'timestamptz'),
  BLOB: fieldOf('null', 'binary'),
};

/** The column as one that its column in the table takes, if it holds nothing but nulls; undefined for all others. */
function nullFor({ name, type }: DuckColumn, { pgType }: TableColumn): string | undefined {
  if (!type.includes(NULL_TYPE)) return undefined;
  for (const [cast, field] of Object.entries(NULLS)) {
    if (!type.endsWith('[]') && encoderFor(field, pgType)) return `${quoteIdentifier(name)}::${cast}`;
    if (encoderFor(listField('null', field), pgType)) return `${quoteIdentifier(name)}::${cast}[]`;
  }
  return undefined;
}

/** @throws TYPE_UNMAPPED */
function read(column: DuckColumn, form: Form): string {
  const expression = column.expression(form);
  if (expression !== undefined) return expression;
  const { name, type } = column;
  throw new DrayageError('TYPE_UNMAPPED', `Column "${name}" is of type ${type}, which no column of Postgres takes`, {
    where: { column: name },
    hint: `Cast it in the transform, for example "${name}"::varchar, or leave it out.`,
  });
}

function asArray(columns: readonly DuckColumn[]): string {
  return `[${columns.map((column) => read(column, 'json')).join(', ')}]`;
}

function asJson(columns: readonly DuckColumn[]): string {
  return exactObject(columns.map(({ name, logical: type }) => ({ name, expression: quoteIdentifier(name), type })));
}

/** What is wrong with a column that the table does not have. */
export function nowhere(name: string, table: Table): DrayageError {
  const names = table.columns.map((column) => column.name);
  return new DrayageError('TARGET_INVALID', `The table has no column "${name}".${didYouMean(name, names)}`, {
    where: { table: table.sql, column: name },
    hint: 'Leave it out in the transform, name it like a column, add it to the table, or let evolve: true add it.',
  });
}
