import { styleText } from 'node:util';
import { duration } from '../base/format.ts';

export { bytes, count, duration, plural } from '../base/format.ts';

export interface Column<Row> {
  title: string;
  /** Plain text; what would move the cursor is taken out of it. */
  cell: (row: Row) => string;
  right?: boolean;
  /** Puts colours around the aligned text. */
  style?: (text: string, row: Row) => string;
}

/**
 * Aligned columns under their titles, two spaces apart. On a terminal, the last column is cut where the line would not
 * fit; elsewhere nothing is cut.
 */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = rows.map((row) => columns.map(({ cell }) => oneLine(cell(row))));
  const widths = columns.map(({ title }, index) =>
    Math.max(...[title, ...cells.map((line) => line[index]!)].map(width)),
  );
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + 2, 0);
  const room = Math.max(terminalWidth() - before, 20);
  const align = (line: readonly string[], row?: Row) =>
    line
      .map((text, index) => {
        const { right, style } = columns[index]!;
        const last = index === columns.length - 1;
        const shown = last && width(text) > room ? `${cutTo(text, room - 1)}…` : text;
        const gap = ' '.repeat(last && !right ? 0 : widths[index]! - width(shown));
        const painted = style && row !== undefined ? style(shown, row) : shown;
        return right ? gap + painted : painted + gap;
      })
      .join('  ')
      .trimEnd();
  const head = align(columns.map(({ title }) => title));
  return [styleText('bold', head), ...cells.map((line, index) => align(line, rows[index]!))].join('\n');
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/** Line ends and control characters as spaces: a file's name must not paint on the terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}

/** East Asian letters and pictures take two places on a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]/gu;

/** Places that a text takes on a terminal. */
function width(text: string): number {
  return [...text.replaceAll(/\p{Mark}/gu, '')].length + (text.match(WIDE)?.length ?? 0);
}

function cutTo(text: string, places: number): string {
  let kept = '';
  for (const character of text) {
    if (width(kept + character) > places) return kept;
    kept += character;
  }
  return kept;
}

/** A bar of 20 characters. */
export function bar(percent: number): string {
  const filled = Math.round(Math.min(100, Math.max(0, percent)) / 5);
  return '█'.repeat(filled) + '░'.repeat(20 - filled);
}

/** "3 min ago". */
export function ago(at: Date): string {
  const seconds = Math.max(0, (Date.now() - at.getTime()) / 1000);
  if (seconds < 5) return 'now';
  if (seconds < 48 * 3600) return `${duration(seconds)} ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

const COLOURS = {
  succeeded: 'green',
  done: 'green',
  running: 'cyan',
  finalizing: 'cyan',
  completed_with_rejects: 'yellow',
  paused: 'yellow',
  failed: 'red',
  cancelled: 'red',
} as const;

/** A state, or what stands for it, in the state's colour, where colours are wanted. */
export function state(name: string, text = name): string {
  const colour = COLOURS[name as keyof typeof COLOURS];
  return colour ? styleText(colour, text) : text;
}
