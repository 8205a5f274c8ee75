import type { Dialect } from './csv-options.ts';

/** One record of a CSV file, as a place in a block of bytes. */
export interface CsvRecord {
  start: number;
  /** Behind its last byte, the line end left out. */
  end: number;
  /** Byte after the line end. */
  next: number;
  /** Number of the line that it begins in. */
  line: number;
  /** How many lines it takes. */
  lines: number;
  fields: number;
  /** Why it cannot be taken apart. */
  problem: string | undefined;
}

/** Whole records, as places in their block. */
export interface CsvBlock {
  bytes: Buffer;
  /** Where the block begins in the file. */
  offset: number;
  records: CsvRecord[];
}

/** The problem of a record that some readers take for two. */
export const STRAY_RETURN = 'a carriage return stands outside of quotes, and no line ends there';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** A quote that is not closed within so many bytes is taken for a mistake. */
const LONGEST_BYTES = 64 * 1024 * 1024;

/**
 * Finds the records of a CSV file (https://www.rfc-editor.org/rfc/rfc4180): line ends inside of quotes belong to a field,
 * quotes stand around a whole field or not at all, and a carriage return outside of them is a part of a line end. A record
 * that breaks these rules is one line, and the next line is read as if it had not been there.
 */
export async function* csvRecords(
  pieces: AsyncIterable<Buffer>,
  dialect: Dialect,
  firstLine = 1,
): AsyncGenerator<CsvBlock> {
  let bytes: Buffer = Buffer.alloc(0);
  let offset = 0;
  let line = firstLine;
  const block = (isLast: boolean): CsvBlock => {
    const records: CsvRecord[] = [];
    let at = 0;
    while (at < bytes.length) {
      const record = readRecord(bytes, at, line, dialect, isLast || bytes.length - at > LONGEST_BYTES);
      if (!record) break;
      records.push(record);
      at = record.next;
      line += record.lines;
    }
    const whole = { bytes: bytes.subarray(0, at), offset, records };
    bytes = bytes.subarray(at);
    offset += at;
    return whole;
  };
  for await (const piece of pieces) {
    bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
    const found = block(false);
    if (found.records.length > 0) yield found;
  }
  const last = block(true);
  if (last.records.length > 0) yield last;
}

/** @returns undefined when the bytes end before the record does, and more may come */
function readRecord(
  bytes: Buffer,
  start: number,
  line: number,
  dialect: Dialect,
  isLast: boolean,
): CsvRecord | undefined {
  const { delimiter, quote, escape: shield } = dialect;
  let at = start;
  let fields = 1;
  let lines = 1;
  for (;;) {
    if (quote !== 0 && bytes[at] === quote) {
      const close = closingQuote(bytes, at + 1, quote, shield);
      if (close === -1) return isLast ? oneLine(bytes, start, line, 'a quote is not closed') : undefined;
      for (let end = bytes.indexOf(NEWLINE, at); end !== -1 && end < close; end = bytes.indexOf(NEWLINE, end + 1))
        lines++;
      at = close + 1;
      if (at >= bytes.length && !isLast) return undefined;
      const atLineEnd = bytes[at] === RETURN && (at + 1 === bytes.length || bytes[at + 1] === NEWLINE);
      if (at + 1 >= bytes.length && atLineEnd && !isLast) return undefined;
      if (at < bytes.length && bytes[at] !== delimiter && bytes[at] !== NEWLINE && !atLineEnd) {
        return oneLine(bytes, start, line, 'something follows a closing quote');
      }
    }
    let byte = bytes[at];
    for (; byte !== undefined && byte !== delimiter && byte !== NEWLINE; byte = bytes[++at]) {
      if (byte === quote && quote !== 0) {
        return lineOrMore(bytes, start, line, isLast, 'a quote stands inside a field that does not begin with one');
      }
      // Readers differ in whether it ends a line.
      if (byte === RETURN && at + 1 < bytes.length && bytes[at + 1] !== NEWLINE) {
        return lineOrMore(bytes, start, line, isLast, STRAY_RETURN);
      }
    }
    if (byte === delimiter) {
      fields++;
      at++;
      continue;
    }
    if (byte === undefined && !isLast) return undefined;
    const end = at > start && bytes[at - 1] === RETURN ? at - 1 : at;
    return { start, end, next: Math.min(bytes.length, at + 1), line, lines, fields, problem: undefined };
  }
}

function lineOrMore(bytes: Buffer, start: number, line: number, isLast: boolean, problem: string) {
  if (!isLast && bytes.indexOf(NEWLINE, start) === -1) return undefined;
  return oneLine(bytes, start, line, problem);
}

function oneLine(bytes: Buffer, start: number, line: number, problem: string): CsvRecord {
  const newline = bytes.indexOf(NEWLINE, start);
  const end = newline === -1 ? bytes.length : newline;
  return { start, end, next: Math.min(bytes.length, end + 1), line, lines: 1, fields: 0, problem };
}

function closingQuote(bytes: Buffer, start: number, quote: number, shield: number): number {
  if (shield !== quote) {
    for (let at = start; at < bytes.length; at++) {
      if (bytes[at] === shield) at++;
      else if (bytes[at] === quote) return at;
    }
    return -1;
  }
  for (let at = bytes.indexOf(quote, start); at !== -1; at = bytes.indexOf(quote, at + 2)) {
    if (bytes[at + 1] !== quote) return at;
  }
  return -1;
}

/** The texts of a record that has no problem. */
export function fieldsOf(
  bytes: Buffer,
  { start, end }: CsvRecord,
  { delimiter, quote, escape: shield }: Dialect,
): string[] {
  const fields: string[] = [];
  for (let at = start; at <= end; at++) {
    if (quote !== 0 && bytes[at] === quote) {
      const close = closingQuote(bytes, at + 1, quote, shield);
      const text = bytes.toString('utf8', at + 1, close);
      const mark = String.fromCharCode(quote);
      fields.push(text.replaceAll(`${String.fromCharCode(shield)}${mark}`, mark));
      at = close + 1;
    } else {
      const found = bytes.indexOf(delimiter, at);
      const stop = found === -1 || found > end ? end : found;
      fields.push(bytes.toString('utf8', at, stop));
      at = stop;
    }
  }
  return fields;
}
