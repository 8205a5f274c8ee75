import { DrayageError } from '../base/errors.ts';

/** How many lines lie before the first one of a query where it is wrapped into another one. */
export const LINES_BEFORE = 1;

/** Where in the query a place is, for people: line and column, and the text from there. */
export function lineOf(sql: string, location: unknown): string {
  const bytes = Buffer.from(sql);
  const at = Number(location);
  if (!Number.isSafeInteger(at) || at > bytes.length) return '';
  const before = bytes.subarray(0, at).toString().split('\n');
  const rest = bytes.subarray(at).toString().split('\n')[0]!.trim();
  const near = rest === '' ? 'at the end' : `near "${rest.length > 40 ? `${rest.slice(0, 40)}…` : rest}"`;
  return `Line ${before.length}, column ${[...before.at(-1)!].length + 1}, ${near}.`;
}

/**
 * What went wrong with a query, in the words of one who asked it.
 * @param error of DuckDB's, about `sql` with LINES_BEFORE it
 */
export function queryError(error: unknown, sql: string, signal: AbortSignal): unknown {
  if (signal.aborted && signal.reason.name === 'TimeoutError') return tookTooLong(error);
  if (!(error instanceof DrayageError) || !(error.cause instanceof Error)) return error;
  const text = error.cause.message;
  const [, kind = '', said = ''] = /^(\w[\w ]*) Error: (.*?)(?:\n\nLINE |\n\n\n|$)/s.exec(text) ?? [];
  const details = { hint: [hintOf(kind, said), placeOf(text, sql)].filter(Boolean).join(' '), cause: error.cause };
  if (/^(Parser|Binder|Catalog)$/.test(kind)) {
    return new DrayageError('QUERY_INVALID', `The query cannot be run: ${oneLine(said)}`, details);
  }
  if (kind === 'Permission') return new DrayageError('QUERY_REFUSED', oneLine(said), details);
  switch (error.code) {
    case 'OUT_OF_MEMORY':
      return new DrayageError('OUT_OF_MEMORY', `The query ran out of memory: ${oneLine(said || text)}`, {
        hint: 'Give it more (memoryMb, --memory-mb), or ask for fewer columns or groups.',
        cause: error.cause,
      });
    case 'SOURCE_UNREADABLE':
      return new DrayageError('LAKE_INVALID', `A file of the lake cannot be read: ${oneLine(said || text)}`, {
        hint: '"dray lake verify" tells which files are missing or damaged.',
        cause: error.cause,
      });
    case 'TRANSFORM_FAILED':
      return new DrayageError('QUERY_FAILED', `The query failed: ${oneLine(said || text)}`, details);
    default:
      return error;
  }
}

/** After an internal error a DuckDB answers nothing any more. */
export function isBroken(error: unknown): boolean {
  const cause = error instanceof DrayageError ? error.cause : undefined;
  return cause instanceof Error && /^INTERNAL Error|database has been invalidated/i.test(cause.message);
}

function tookTooLong(cause: unknown): DrayageError {
  return new DrayageError('QUERY_FAILED', 'The query took longer than it may', {
    hint: 'Ask for less, or allow more time (timeoutSeconds).',
    cause,
  });
}

/** What DuckDB adds to an error: a line of the query, cut to what fits, and below it a mark under the place. */
const EXCERPT = /\nLINE (\d+): (.*)\n( *)\^/;

function placeOf(text: string, sql: string): string {
  const [whole, number, excerpt = '', indent = ''] = EXCERPT.exec(text) ?? [];
  if (whole === undefined) return '';
  const lines = sql.split('\n');
  const line = Number(number) - 1 - LINES_BEFORE;
  const [, cut = '', shown = ''] = /^(\.\.\.)?(.*?)(?:\.\.\.)?$/.exec(excerpt) ?? [];
  const from = lines[line]?.indexOf(shown) ?? -1;
  if (from === -1) return '';
  const column = from + indent.length - `LINE ${number}: `.length - cut.length;
  const before = [...lines.slice(0, line), lines[line]!.slice(0, column)].join('\n');
  return lineOf(sql, Buffer.byteLength(before));
}

function hintOf(kind: string, said: string): string {
  if (kind === 'Binder' && /Referenced column/.test(said)) return 'DESCRIBE and a dataset show its columns.';
  return kind === 'Conversion' ? 'try_cast gives null for what cannot be cast.' : '';
}

const oneLine = (text: string) => text.trim().replace(/\s*\n\s*/g, ' ');
