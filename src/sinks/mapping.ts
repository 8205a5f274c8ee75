import type { Schema } from '../arrow/batch.ts';
import { kindName } from '../arrow/types.ts';
import { DrayageError, type Where } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { Target } from '../model/target.ts';
import type { Table, TableColumn, UniqueIndex } from '../postgres/catalog.ts';
import type { EncodedColumn } from '../postgres/encode/batch.ts';
import { castHint, encoderFor } from '../postgres/encode/index.ts';
import { postgresName } from '../postgres/names.ts';
import { nowhere } from './arrange.ts';

export interface MappedColumn extends EncodedColumn {
  /** The column of what is read. */
  source: string;
  /** The Arrow type, as it is called in plans. */
  from: string;
  /** The Postgres type. */
  to: string;
  /** Whether the source's type has values that the column does not take. */
  narrows: boolean;
}

/**
 * Pairs what is read with the columns of the table, by name, in the table's order.
 * @throws TARGET_INVALID, TYPE_UNMAPPED with the column at fault
 */
export function mapColumns(schema: Schema, table: Table, target: Target): MappedColumn[] {
  const where: Where = { table: table.sql };
  const names = table.columns.map(({ name }) => name);
  const fields = schema.fields.map(({ name }) => postgresName(name));
  for (const name of fields) {
    if (!names.includes(name)) throw nowhere(name, table);
  }
  const unknown = Object.keys(target.allow).find((name) => !names.includes(name));
  if (unknown) {
    throw new DrayageError('TARGET_INVALID', `allow names a column that is not there.${didYouMean(unknown, names)}`, {
      where: { ...where, column: unknown },
    });
  }
  const mapped = table.columns.flatMap((column) => {
    const position = fields.indexOf(column.name);
    return position === -1
      ? missing(column, where)
      : [mapColumn(schema.fields[position]!, position, column, target, where)];
  });
  assertKey(mapped, table, target, where);
  return mapped;
}

function mapColumn(
  field: Schema['fields'][number],
  position: number,
  column: TableColumn,
  target: Target,
  where: Where,
): MappedColumn {
  const at = { ...where, column: column.name };
  if (column.generated) {
    throw new DrayageError('TARGET_INVALID', `Column "${column.name}" is computed by Postgres and cannot be loaded`, {
      where: at,
      hint: 'Leave it out in the transform.',
    });
  }
  const loss = target.allow[column.name];
  const encoder = encoderFor(field, column.pgType, loss);
  if (!encoder) {
    const pair = `${kindName(field)} cannot go into ${column.type} without loss`;
    throw new DrayageError('TYPE_UNMAPPED', `Column "${column.name}": ${pair}`, {
      where: at,
      hint: castHint(field, column),
    });
  }
  const { name, notNull, type: to } = column;
  const narrows = encoder.check !== undefined && (isNumber(column) || column.pgType.typmod !== -1);
  return { name, source: field.name, position, encoder, notNull, allowed: loss, from: kindName(field), to, narrows };
}

function isNumber({ pgType }: TableColumn): boolean {
  return pgType.builtIn && /^(int[248]|numeric)$/.test(pgType.name);
}

function missing(column: TableColumn, where: Where): [] {
  if (!column.notNull || column.hasDefault || column.generated) return [];
  throw new DrayageError(
    'TARGET_INVALID',
    `Column "${column.name}" takes no nulls and has no default, and nothing fills it`,
    {
      where: { ...where, column: column.name },
      hint: 'Give it a value in the transform, or a default in the table.',
    },
  );
}

function assertKey(mapped: readonly MappedColumn[], table: Table, { mode, key, version }: Target, where: Where): void {
  if (mode !== 'upsert' && mode !== 'merge') return;
  for (const name of version === undefined ? key : [...key, version]) {
    if (mapped.some((column) => column.name === name)) continue;
    throw new DrayageError(
      'TARGET_INVALID',
      `Column "${name}" is part of ${name === version ? 'the order of versions' : 'the key'}, and is not loaded`,
      {
        where: { ...where, column: name },
      },
    );
  }
  const [index] = keyIndexes(table, key);
  const absent = index?.predicate
    ? index.needs.find((name) => !mapped.some((column) => column.name === name))
    : undefined;
  if (absent) {
    throw new DrayageError(
      'TARGET_INVALID',
      `The unique index ${index!.name} is about "${absent}", which is not loaded`,
      {
        where: { ...where, column: absent },
        hint: `Without it nobody knows which rows the index is about. Give it in the transform, for example null as "${absent}".`,
      },
    );
  }
  if (index) return;
  throw new DrayageError('TARGET_INVALID', `The table has no unique index over (${key.join(', ')})`, {
    where,
    hint: `The mode ${mode} needs a primary key or a unique constraint over its key.`,
  });
}

/** The unique indexes over exactly these columns; those without a predicate first. */
export function keyIndexes(table: Table, key: readonly string[]): UniqueIndex[] {
  const wanted = [...key].sort().join('\0');
  return table.uniqueIndexes.filter(({ columns }) => [...columns].sort().join('\0') === wanted);
}
