import { type Data, makeColumn } from '../../arrow/batch.ts';
import { validityOf } from '../../arrow/cells.ts';
import type { ColumnEncoder } from './column.ts';

/**
 * What a job may allow a column to lose, and the reason by which rows that lose it are told. Without the allowance
 * such a row is a reject; with it the row is loaded, and counted in `drayage.coercions`.
 */
export const LOSSES = {
  /** Digits of a time beyond what the column holds. */
  truncate: 'digits_lost',
  /** Digits of a number beyond what the column holds. */
  round: 'rounded',
  /** NUL characters, which go away. */
  strip_nul: 'nul_in_text',
  /** NUL characters, which become U+FFFD. */
  replace_nul: 'nul_in_text',
} as const;

export type Loss = keyof typeof LOSSES;

/** Changes the values of a column into some that its encoder takes, and tells of every row that lost something. */
export type Change = (data: Data, lost: (row: number, message: string) => void) => Data;

/** An encoder whose values are changed first. */
export function coerced(inner: ColumnEncoder, loss: Loss, change: Change): ColumnEncoder {
  // Checked, measured and written one after the other: changed once.
  let latest: { data: Data; changed: Data; lost: Map<number, string> } | undefined;
  const changeOf = (data: Data) => {
    if (latest?.data === data) return latest;
    const lost = new Map<number, string>();
    latest = { data, changed: change(data, (row, message) => lost.set(row, message)), lost };
    return latest;
  };
  const size = typeof inner.size === 'number' ? inner.size : inner.size.bind(inner);
  return {
    check(data, report) {
      const { changed, lost } = changeOf(data);
      inner.check?.(changed, report);
      for (const [row, message] of lost) report(row, LOSSES[loss], message);
    },
    size: typeof size === 'number' ? size : (data, from, to, sizes) => size(changeOf(data).changed, from, to, sizes),
    write: (data, from, to, target) => inner.write(changeOf(data).changed, from, to, target),
  };
}

/** A column with other values and the same nulls. */
export function sameShape(data: Data, values: ArrayBufferView): Data {
  return makeColumn(data.type, data.length, { data: values, validity: validityOf(data) });
}
