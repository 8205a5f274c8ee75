import { styleText } from 'node:util';

const NUMBERS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 as "1,234,567". */
export function count(value: number): string {
  return NUMBERS.format(value);
}

/** "1 row", "2 rows". */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let scaled = value;
  for (; scaled >= 1024 && unit < units.length - 1; unit++) scaled /= 1024;
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => string;
  right?: boolean;
}

/** Aligned columns under their titles, two spaces apart. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((line) => line[index]!.length)));
  const align = (line: readonly string[]) =>
    line
      .map((text, index) => (columns[index]!.right ? text.padStart(widths[index]!) : text.padEnd(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [styleText('bold', align(columns.map(({ title }) => title))), ...cells.map(align)].join('\n');
}

/** A bar of 20 characters. */
export function bar(percent: number): string {
  const filled = Math.round(Math.min(100, Math.max(0, percent)) / 5);
  return '█'.repeat(filled) + '░'.repeat(20 - filled);
}

const COLOURS = { succeeded: 'green', done: 'green', failed: 'red', completed_with_rejects: 'yellow' } as const;

/** A state in its colour, where colours are wanted. */
export function state(name: string): string {
  const colour = COLOURS[name as keyof typeof COLOURS];
  return colour ? styleText(colour, name) : name;
}
