import { DrayageError } from '../base/errors.ts';
import type { InferredColumn } from './infer.ts';

/** `MaxHeapAttributeNumber` (`access/htup_details.h`). */
export const MOST_COLUMNS = 1_600;
/** `MaxHeapTupleSize` of a page of 8 kB. */
const MOST_ROW_BYTES = 8_160;
const HEADER_BYTES = 24;

/** Values of other types may be kept outside of the row. */
const BYTES: Readonly<Record<string, number>> = {
  boolean: 1,
  smallint: 2,
  integer: 4,
  real: 4,
  date: 4,
  bigint: 8,
  'double precision': 8,
  time: 8,
  timestamp: 8,
  timestamptz: 8,
  interval: 16,
  uuid: 16,
};

/** What a row of these columns takes at least when none of them is null. */
function rowBytes(columns: readonly InferredColumn[]): number {
  const bitmap = Math.ceil(columns.length / 8);
  return columns.reduce((sum, { type }) => sum + (BYTES[type] ?? 1), HEADER_BYTES + bitmap);
}

export function fits(columns: readonly InferredColumn[]): boolean {
  return columns.length <= MOST_COLUMNS && rowBytes(columns) <= MOST_ROW_BYTES;
}

/** @throws TARGET_INVALID when no table can have these columns in one row */
export function assertFits(columns: readonly InferredColumn[], table: string): void {
  if (fits(columns)) return;
  const count = columns.length;
  const problem =
    count > MOST_COLUMNS
      ? `${count} columns are more than the ${MOST_COLUMNS} that a table can have`
      : `A row of ${count} columns takes ${rowBytes(columns)} bytes, and a page holds ${MOST_ROW_BYTES}`;
  throw new DrayageError('TARGET_INVALID', problem, {
    where: { table },
    hint:
      `Put them into one column with pack: { into: 'data', as: 'jsonb' } or as: 'array', or spread them over several ` +
      'tables with split: true and a key.',
  });
}

/** Spreads columns over tables, each with the key. */
export function splitColumns(columns: readonly InferredColumn[], key: readonly string[]): InferredColumn[][] {
  const keys = columns.filter(({ name }) => key.includes(name));
  const parts: InferredColumn[][] = [];
  let part = [...keys];
  for (const column of columns.filter(({ name }) => !key.includes(name))) {
    if (!fits([...part, column])) {
      parts.push(part);
      part = [...keys];
    }
    part.push(column);
  }
  return [...parts, part];
}
