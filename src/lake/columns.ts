import { DrayageError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import { quoteIdentifier } from '../duckdb/types.ts';
import type { ColumnTypes } from '../model/columns.ts';
import type { LakeTarget } from '../model/lake-target.ts';
import type { LakeColumn } from '../model/manifest.ts';
import { declaredType, storedType } from './types.ts';

/** A column of a dataset, and how it is made of what the transform gives. */
export interface StoredColumn extends LakeColumn {
  /** The type of what the transform gives. */
  from: string;
  /** Expression in DuckDB for its value. */
  expression: string;
  /** Expression that is true where that is not the value that was given; absent where that cannot be. */
  differs?: string;
}

/**
 * What is written of a query's columns. Exactly the declared ones, or all of them in types that Parquet keeps.
 * @throws TARGET_INVALID, TYPE_UNMAPPED with the column at fault
 */
export function storedColumns(given: readonly LakeColumn[], target: LakeTarget, dataset: string): StoredColumn[] {
  const names = given.map(({ name }) => name);
  const where = { table: dataset };
  const named = [...(target.date === undefined ? [] : [target.date]), ...target.sort];
  const absent = named.find((name) => !names.includes(name));
  if (absent !== undefined) {
    throw new DrayageError(
      'TARGET_INVALID',
      `date or sort names a column that is not there.${didYouMean(absent, names)}`,
      {
        where: { ...where, column: absent },
        hint: 'Give it in the transform, or change the target.',
      },
    );
  }
  if (target.columns) return declaredColumns(given, target.columns, dataset);
  return given.map((column) => {
    const { name, type } = column;
    const stored = column.type === 'GEOMETRY' ? 'BLOB' : storedType(type);
    if (stored !== undefined) return storedAs(column, stored);
    throw new DrayageError('TYPE_UNMAPPED', `Column "${name}" holds nothing but nulls of no type`, {
      where: { ...where, column: name },
      hint: `Say its type in the transform, for example null::varchar as "${name}", or declare the dataset's columns.`,
    });
  });
}

function declaredColumns(given: readonly LakeColumn[], declared: ColumnTypes, dataset: string): StoredColumn[] {
  const where = { table: dataset };
  const names = Object.keys(declared);
  const extra = given.find(({ name }) => !names.includes(name));
  if (extra) {
    throw new DrayageError(
      'TARGET_INVALID',
      `The dataset has no column "${extra.name}".${didYouMean(extra.name, names)}`,
      {
        where: { ...where, column: extra.name },
        hint: 'Leave it out in the transform, or declare it in columns.',
      },
    );
  }
  return names.map((name) => {
    const column = given.find((one) => one.name === name);
    if (!column) {
      throw new DrayageError('TARGET_INVALID', `Nothing gives the declared column "${name}"`, {
        where: { ...where, column: name },
        hint: `Give it in the transform, for example null as "${name}", or leave it out of columns.`,
      });
    }
    return storedAs(column, declaredOrThrow(name, declared[name]!, dataset));
  });
}

/** @throws TYPE_UNMAPPED */
export function declaredOrThrow(column: string, declared: string, dataset: string): string {
  const type = declaredType(declared);
  if (type !== undefined) return type;
  throw new DrayageError('TYPE_UNMAPPED', `Column "${column}" is declared as ${declared}, which is no type`, {
    where: { table: dataset, column },
    hint: 'Write it as Postgres does: text, bigint, double precision, numeric(10,2), timestamptz, jsonb, text[] …',
  });
}

function storedAs(column: LakeColumn, type: string): StoredColumn {
  const { name, type: from } = column;
  const given = quoteIdentifier(name);
  if (from === 'GEOMETRY') return { name, type, from, expression: `st_aswkb(${given})` };
  if (from === type) return { name, type, from, expression: given };
  const expression = `try_cast(${given} as ${type})`;
  const differs = difference(given, from, expression, type);
  return { name, type, from, expression, ...(differs ? { differs: `coalesce(${differs}, false)` } : {}) };
}

/** Where a cast gives another value than it was given, or none. */
function difference(given: string, from: string, cast: string, type: string): string | undefined {
  if (type === 'VARCHAR') return undefined;
  // The null of JSON is one, too.
  const isThere = from === 'JSON' ? `${given}::VARCHAR <> 'null'` : `${given} is not null`;
  const fails = `(${isThere} and ${cast} is null)`;
  const isText = from === 'VARCHAR' || from === 'JSON';
  // A text may have zeros, spaces or signs that its value does not give back.
  if (!isText) return `${given} is not null and try_cast(${cast} as ${from}) is distinct from ${given}`;
  const number = /^(?:(?:TINY|SMALL|BIG)?INT(?:EGER)?|DECIMAL\(\d+,(\d+)\))$/.exec(type);
  if (number) {
    const text = `trim(${given}::VARCHAR, ' "')`;
    const digits = `length(regexp_extract(${text}, '^[+-]?[0-9]*\\.([0-9]*?)0*$', 1)) > ${number[1] ?? 0}`;
    const exponent = `(${text} ilike '%e%' and try_cast(${text} as DOUBLE) is distinct from ${cast}::DOUBLE)`;
    return `${fails} or ${digits} or ${exponent}`;
  }
  if (type === 'DATE') return `${fails} or try_cast(${given} as TIMESTAMP) is distinct from ${cast}::TIMESTAMP`;
  return fails;
}

/**
 * The columns of a dataset with those of more files: the same names have the same types, and new ones come behind.
 * @throws TARGET_INVALID with the column at fault
 */
export function mergeColumns(
  dataset: string,
  known: readonly LakeColumn[],
  more: readonly LakeColumn[],
): readonly LakeColumn[] {
  const types = new Map(known.map(({ name, type }) => [name, type]));
  const conflict = more.find(({ name, type }) => (types.get(name) ?? type) !== type);
  if (conflict) {
    const { name, type } = conflict;
    throw new DrayageError(
      'TARGET_INVALID',
      `Column "${name}" is ${type} here, and ${types.get(name)} in other files`,
      {
        where: { table: dataset, column: name },
        hint: `Cast it in the transform, or declare the dataset's columns; for what is published already, take another dataset.`,
      },
    );
  }
  return [...known, ...more.filter(({ name }) => !types.has(name))].map(({ name, type }) => ({ name, type }));
}
