import { quoteIdentifier } from '../duckdb/types.ts';
import type { Layout } from '../model/lake-target.ts';

/** As Hive calls the folder of rows without a value (https://cwiki.apache.org/confluence/display/Hive/Configuration+Properties, hive.exec.default.partition.name). */
export const NO_DATE = '__HIVE_DEFAULT_PARTITION__';

/** Which parts of a date a layout has folders for. */
const PARTS: Readonly<Record<Layout, readonly string[]>> = {
  day: ['year', 'month', 'day'],
  month: ['year', 'month'],
  year: ['year'],
  none: [],
};

/** How the date of a row is written, and how long that is. */
const FORMATS = {
  day: { format: '%Y-%m-%d', length: 10 },
  month: { format: '%Y-%m', length: 7 },
  year: { format: '%Y', length: 4 },
} as const;

/**
 * DuckDB's expression for the date of a row as text, for example `2026-01-05`, or `2026-01` for months: what rows of one
 * file have in common. Null for a date that is null, no date, infinite, or not of the years 1 to 9999, which alone have
 * four digits.
 * @param type of the column, as DuckDB writes it; a text is read as ISO 8601
 */
export function dateExpression(column: string, type: string, layout: Exclude<Layout, 'none'>): string {
  const given = quoteIdentifier(column);
  // In UTC, the time zone of every connection.
  const value = /^(DATE|TIMESTAMP.*)$/.test(type) ? given : `try_cast(${given}::VARCHAR as TIMESTAMPTZ)`;
  const date = `try_cast(${value} as DATE)`;
  const known = `isfinite(${date}) and ${date} between DATE '0001-01-01' and DATE '9999-12-31'`;
  const { format, length } = FORMATS[layout];
  // The year comes without zeros in front.
  return `case when ${known} then lpad(strftime(${date}, '${format}'), ${length}, '0') end`;
}

/**
 * The folder below a dataset's own for a date as `dateExpression` gives it, ending in a slash; empty without folders.
 * @param date null for rows that have none
 */
export function dateFolder(date: string | null, layout: Layout): string {
  const values = date?.split('-') ?? [];
  return PARTS[layout].map((part, index) => `${part}=${values[index] ?? NO_DATE}/`).join('');
}
