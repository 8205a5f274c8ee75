import type { Schema } from '../arrow/batch.ts';
import { kindName } from '../arrow/types.ts';
import { DrayageError, type Where } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { Target } from '../model/target.ts';
import type { Table, TableColumn } from '../postgres/catalog.ts';
import type { EncodedColumn } from '../postgres/encode/batch.ts';
import { castHint, encoderFor } from '../postgres/encode/index.ts';

export interface MappedColumn extends EncodedColumn {
  /** The Arrow type, as it is called in plans. */
  from: string;
  /** The Postgres type. */
  to: string;
}

/**
 * Pairs what is read with the columns of the table, by name, in the table's order.
 * @throws TARGET_INVALID, TYPE_UNMAPPED with the column at fault
 */
export function mapColumns(schema: Schema, table: Table, target: Target): MappedColumn[] {
  const where: Where = { table: table.sql };
  const names = table.columns.map(({ name }) => name);
  for (const { name } of schema.fields) {
    if (names.includes(name)) continue;
    throw new DrayageError('TARGET_INVALID', `The table has no column "${name}".${didYouMean(name, names)}`, {
      where: { ...where, column: name },
      hint: 'Leave the column out in the transform, give it the name of a column, or add it to the table.',
    });
  }
  const mapped = table.columns.flatMap((column) => {
    const position = schema.fields.findIndex(({ name }) => name === column.name);
    return position === -1 ? missing(column, where) : [mapColumn(schema, position, column, where)];
  });
  assertKey(mapped, table, target, where);
  return mapped;
}

function mapColumn(schema: Schema, position: number, column: TableColumn, where: Where): MappedColumn {
  const field = schema.fields[position]!;
  const at = { ...where, column: column.name };
  if (column.generated) {
    throw new DrayageError('TARGET_INVALID', `Column "${column.name}" is computed by Postgres and cannot be loaded`, {
      where: at,
      hint: 'Leave it out in the transform.',
    });
  }
  const encoder = encoderFor(field, column);
  if (!encoder) {
    const pair = `${kindName(field)} cannot go into ${column.type} without loss`;
    throw new DrayageError('TYPE_UNMAPPED', `Column "${column.name}": ${pair}`, {
      where: at,
      hint: castHint(field, column),
    });
  }
  const { name, notNull, type: to } = column;
  return { name, position, encoder, notNull, from: kindName(field), to };
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

function assertKey(mapped: readonly MappedColumn[], table: Table, { mode, key }: Target, where: Where): void {
  if (mode !== 'upsert') return;
  for (const name of key) {
    if (mapped.some((column) => column.name === name)) continue;
    throw new DrayageError('TARGET_INVALID', `The key column "${name}" is not loaded`, {
      where: { ...where, column: name },
    });
  }
  if (keyIndexes(table, key).length > 0) return;
  throw new DrayageError('TARGET_INVALID', `The table has no unique index over (${key.join(', ')})`, {
    where,
    hint: 'An upsert needs a primary key or a unique constraint over its key.',
  });
}

/** Names of the unique indexes over exactly these columns. */
export function keyIndexes(table: Table, key: readonly string[]): string[] {
  const wanted = [...key].sort().join('\0');
  return table.uniqueIndexes.filter(({ columns }) => [...columns].sort().join('\0') === wanted).map(({ name }) => name);
}
