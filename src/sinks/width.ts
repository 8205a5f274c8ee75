import { DrayageError } from '../base/errors.ts';
import type { FixedSize, Table } from '../postgres/catalog.ts';
import type { InferredColumn } from './infer.ts';

/** `MaxHeapAttributeNumber` (`access/htup_details.h`). */
const MOST_COLUMNS = 1_600;
/** `MaxHeapTupleSize` of a page of 8 kB. */
const MOST_ROW_BYTES = 8_160;
/** `SizeofHeapTupleHeader` without the bitmap of nulls. */
const HEADER_BYTES = 23;
/** Of the data behind the header, and of the row as a whole. */
const MAX_ALIGN = 8;
/** What is longer is kept outside of a row that is too long (`toast_tuple_find_biggest_attribute`). */
const INLINE_BYTES = 24;
/** `NumericShort`: in front of the digits, with the length of the value. */
const NUMERIC_HEADER_BYTES = 3;
/** Decimal digits in two bytes of a numeric. */
const NUMERIC_DIGITS = 4;

const fixed = (bytes: number, align = bytes): FixedSize => ({ bytes, align });

/** Of the types that are made up for a table which is not there yet. */
const FIXED: Readonly<Record<string, FixedSize>> = {
  boolean: fixed(1),
  smallint: fixed(2),
  integer: fixed(4),
  real: fixed(4),
  date: fixed(4),
  bigint: fixed(8),
  'double precision': fixed(8),
  time: fixed(8),
  timestamp: fixed(8),
  timestamptz: fixed(8),
  timetz: fixed(12, 8),
  interval: fixed(16, 8),
  uuid: fixed(16, 1),
};

/** A column, as far as its place in a row depends on it. */
type Cell = Pick<InferredColumn, 'type'> & { size?: FixedSize | null };

/** What a value that is not null takes inside of its row. */
function bytesOf({ type, size }: Cell): { least: number; most: number; align: number } {
  const same = size ?? FIXED[type];
  if (same) return { least: same.bytes, most: same.bytes, align: same.align };
  const [, precision, scale] = /^numeric\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) {
    const [whole, part] = [Math.max(Number(precision) - Number(scale), 0), Number(scale)];
    const digits = 2 * (Math.ceil(whole / NUMERIC_DIGITS) + Math.ceil(part / NUMERIC_DIGITS));
    return { least: NUMERIC_HEADER_BYTES, most: Math.min(NUMERIC_HEADER_BYTES + digits, INLINE_BYTES), align: 1 };
  }
  const characters = Number(/^character(?: varying)?\((\d+)\)$/.exec(type)?.[1] ?? INLINE_BYTES);
  // One byte in front of up to four for each character.
  return { least: 1, most: Math.min(1 + 4 * characters, INLINE_BYTES), align: 1 };
}

/** What a row takes when none of these columns is null: at least, and when each value is as long as it can be. */
function rowBytes(columns: readonly Cell[]): { least: number; most: number } {
  let least = align(HEADER_BYTES, MAX_ALIGN);
  // With the bitmap that comes with the first null.
  let most = align(HEADER_BYTES + Math.ceil(columns.length / 8), MAX_ALIGN);
  for (const column of columns) {
    const bytes = bytesOf(column);
    least = align(least, bytes.align) + bytes.least;
    most = align(most, bytes.align) + bytes.most;
  }
  return { least: align(least, MAX_ALIGN), most: align(most, MAX_ALIGN) };
}

const align = (offset: number, to: number) => Math.ceil(offset / to) * to;

const WAYS_OUT =
  `Put columns into one with pack: { into: 'data', as: 'jsonb' } or as: 'array', or spread them over several ` +
  'tables with split: true and a key.';

/** @throws TARGET_INVALID when no table can have these columns in one row */
export function assertFits(columns: readonly InferredColumn[], table: string): void {
  if (columns.length > MOST_COLUMNS) {
    throw new DrayageError(
      'TARGET_INVALID',
      `${columns.length} columns are more than the ${MOST_COLUMNS} that a table can have`,
      { where: { table }, hint: WAYS_OUT },
    );
  }
  assertRowFits(columns, table);
}

function assertRowFits(columns: readonly Cell[], table: string): void {
  const { least } = rowBytes(columns);
  if (least <= MOST_ROW_BYTES) return;
  throw new DrayageError(
    'TARGET_INVALID',
    `A row of ${columns.length} columns takes ${least} bytes, and a page holds ${MOST_ROW_BYTES}`,
    { where: { table }, hint: WAYS_OUT },
  );
}

/**
 * What has to be said beforehand of rows that a page may be too small for: how long they are, only their values tell.
 * @param loaded names of the columns that are given values; others have what their defaults say
 * @throws TARGET_INVALID for a table whose columns that take no nulls are too many for any row
 */
export function widthWarning({ columns, sql }: Table, loaded: readonly string[]): string | undefined {
  const stored = columns.filter(({ generated }) => !generated);
  assertRowFits(
    stored.filter(({ notNull }) => notNull),
    sql,
  );
  const given = new Set(loaded);
  const filled = stored.filter(({ name, notNull, hasDefault }) => notNull || hasDefault || given.has(name));
  const { least, most } = rowBytes(filled);
  if (most <= MOST_ROW_BYTES) return undefined;
  const always = least > MOST_ROW_BYTES;
  const takes = always ? `takes ${least} bytes when none is null` : `takes ${least} to ${most} bytes`;
  return (
    `${sql}: a row of ${filled.length} columns ${takes}, and a page holds ${MOST_ROW_BYTES}. ` +
    `Longer rows will be rejected as too_large; "dray plan JOB --sample 1" tells whether there are any. ${WAYS_OUT}`
  );
}

/** Spreads columns over tables, each with the key, so that every row fits, however long its values are. */
export function splitColumns(columns: readonly InferredColumn[], key: readonly string[]): InferredColumn[][] {
  const keys = columns.filter(({ name }) => key.includes(name));
  const parts: InferredColumn[][] = [];
  let part = [...keys];
  for (const column of columns.filter(({ name }) => !key.includes(name))) {
    const wider = [...part, column];
    if (wider.length > MOST_COLUMNS || (part.length > keys.length && rowBytes(wider).most > MOST_ROW_BYTES)) {
      parts.push(part);
      part = [...keys];
    }
    part.push(column);
  }
  return [...parts, part];
}
