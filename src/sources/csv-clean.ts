import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { SourceFault } from '../model/source.ts';
import type { Dialect } from './csv-options.ts';
import { type CsvBlock, type CsvRecord, csvRecords, fieldsOf } from './csv-records.ts';
import type { Here } from './here.ts';

/** A CSV file so that DuckDB reads each record as what it says. */
export interface CleanCsv {
  path: string;
  /** Whether `path` is the file itself, packed as it was; otherwise every record begins with the number of its line. */
  untouched: boolean;
  names: readonly string[];
  /** Records of data that are sound. */
  records: number;
  /** The last line above the data; lines are numbered from there. */
  above: number;
  /** Lines that a reader has to leave out. */
  skip: number;
  longest: number;
  /** Whether lines end in \r\n. */
  returns: boolean;
  faults(): AsyncIterable<SourceFault>;
}

/** Where a part of a file begins, and what the columns are called that are named elsewhere. */
export interface Part {
  firstLine: number;
  names: readonly string[];
}

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Finds out whether DuckDB can read a file as it is: every record as wide as the header, one line each, UTF-8. If not,
 * the sound records are copied, each with its line's number, and the others become faults.
 * @param mustCopy copy them in any case
 */
export async function cleanCsv(
  here: Here,
  dialect: Dialect,
  part: Part | undefined,
  mustCopy = false,
): Promise<CleanCsv> {
  const survey = new Survey(here, dialect, part);
  for await (const block of blocks(here, dialect, part)) survey.add(block);
  survey.assertNamed();
  const { names, longest, above, records, returns } = survey;
  const noFaults = async function* () {};
  if (survey.plain && !mustCopy && !(await startsWithBom(here))) {
    const skip = part ? 0 : above;
    return {
      path: here.path,
      untouched: true,
      names,
      records,
      above,
      skip,
      longest,
      returns: returns > 0,
      faults: noFaults,
    };
  }
  const copy = new Copy(names.length, dialect, above);
  const path = await here.write('records', copy.good(blocks(here, dialect, part)));
  const bad = await here.write('faults', copy.bad(blocks(here, dialect, part)));
  // A number and a delimiter more than the record itself.
  const room = longest + 24;
  const faults = () => readFaults(bad);
  return {
    path,
    untouched: false,
    names,
    records: copy.records,
    above: 0,
    skip: 0,
    longest: room,
    returns: false,
    faults,
  };
}

async function startsWithBom(here: Here): Promise<boolean> {
  for await (const piece of here.bytes()) return hasBom(piece);
  return false;
}

async function* blocks(here: Here, { skip, ...dialect }: Dialect, part: Part | undefined): AsyncGenerator<CsvBlock> {
  const pieces = part ? here.bytes() : withoutHead(here.bytes(), skip);
  yield* csvRecords(pieces, { skip, ...dialect }, part?.firstLine ?? skip + 1);
}

/** Leaves out a byte order mark, and lines of which nobody knows how they are quoted. */
async function* withoutHead(pieces: AsyncIterable<Buffer>, lines: number): AsyncGenerator<Buffer> {
  let first = true;
  let left = lines;
  for await (const piece of pieces) {
    let start = first && hasBom(piece) ? BOM.length : 0;
    for (; left > 0 && start < piece.length; left--) {
      const newline = piece.indexOf(0x0a, start);
      if (newline === -1) break;
      start = newline + 1;
    }
    if (left === 0) yield piece.subarray(start);
    first = false;
  }
}

const hasBom = (piece: Buffer) => piece.subarray(0, BOM.length).equals(BOM);

class Survey {
  names: readonly string[];
  records = 0;
  /** The last line above the data. */
  above: number;
  longest = 0;
  returns = 0;
  plain = true;
  readonly #here: Here;
  readonly #dialect: Dialect;
  #named: boolean;

  constructor(here: Here, dialect: Dialect, part: Part | undefined) {
    this.#here = here;
    this.#dialect = dialect;
    this.names = part?.names ?? (Array.isArray(dialect.header) ? dialect.header : []);
    this.above = part ? part.firstLine - 1 : dialect.skip;
    this.#named = this.names.length > 0;
  }

  add({ bytes, records }: CsvBlock): void {
    if (!isUtf8(bytes) || bytes.includes(0)) this.plain = false;
    for (const record of records) {
      const named = this.#named;
      if (!named) this.#name(bytes, record);
      if (named || this.#dialect.header !== true) this.#count(bytes, record);
    }
  }

  /** @throws SOURCE_INVALID for a file without columns */
  assertNamed(): void {
    if (!this.#named) throw this.#invalid('it is empty, and not even a header says what it holds');
  }

  #name(bytes: Buffer, record: CsvRecord): void {
    this.#named = true;
    if (record.problem) throw this.#invalid(`its header cannot be read: ${record.problem}`);
    const fields = fieldsOf(bytes, record, this.#dialect);
    if (this.#dialect.header !== true) {
      this.names = fields.map((_, index) => `column${index}`);
      return;
    }
    this.above = record.line + record.lines - 1;
    this.names = fields;
    const seen = new Set<string>();
    for (const [index, name] of fields.entries()) {
      if (name === '') throw this.#invalid(`column ${index + 1} has no name`);
      if (seen.has(name.toLowerCase())) throw this.#invalid(`two columns are called "${name}"`);
      seen.add(name.toLowerCase());
    }
  }

  #count(bytes: Buffer, { start, end, next, lines, fields, problem }: CsvRecord): void {
    this.longest = Math.max(this.longest, next - start);
    this.records++;
    if (bytes[end] === 0x0d) this.returns++;
    const mixed = this.returns !== 0 && this.returns !== this.records;
    if (problem || lines > 1 || fields !== this.names.length || end === start || mixed) this.plain = false;
  }

  #invalid(problem: string) {
    const hint = 'Mend the file, or say how it is written with files(path, { csv }).';
    return this.#here.invalid(`is not a CSV file as it is described: ${problem}`, hint);
  }
}

class Copy {
  records = 0;
  readonly #width: number;
  readonly #delimiter: string;
  readonly #above: number;

  constructor(width: number, { delimiter }: Dialect, above: number) {
    this.#width = width;
    this.#delimiter = String.fromCharCode(delimiter);
    this.#above = above;
  }

  async *good(all: AsyncIterable<CsvBlock>): AsyncGenerator<Buffer> {
    for await (const { bytes, records } of all) {
      const parts: Buffer[] = [];
      for (const record of records) {
        const raw = bytes.subarray(record.start, record.end);
        if (!this.#isRow(record) || this.#faultOf(record, raw)) continue;
        parts.push(Buffer.from(`${record.line}${this.#delimiter}`), raw, NEWLINE);
        this.records++;
      }
      yield Buffer.concat(parts);
    }
  }

  async *bad(all: AsyncIterable<CsvBlock>): AsyncGenerator<Buffer> {
    for await (const { bytes, records } of all) {
      for (const record of records) {
        const fault = this.#isRow(record) && this.#faultOf(record, bytes.subarray(record.start, record.end));
        if (fault) yield Buffer.from(`${JSON.stringify(fault)}\n`);
      }
    }
  }

  /** Blank lines are none, except in a file of one column: there they are nulls. */
  #isRow({ line, start, end }: CsvRecord): boolean {
    return line > this.#above && (end > start || this.#width === 1);
  }

  #faultOf({ line, fields, problem }: CsvRecord, raw: Buffer): SourceFault | undefined {
    const text = () => JSON.stringify(raw.toString());
    if (!isUtf8(raw)) {
      const base64 = JSON.stringify({ base64: raw.toString('base64') });
      return { row: line, reason: 'invalid_utf8', message: 'the line is not valid UTF-8', raw: base64 };
    }
    if (raw.includes(0)) return { row: line, reason: 'nul', message: 'the line holds a NUL byte', raw: text() };
    if (problem) return { row: line, reason: 'bad_quoting', message: problem, raw: text() };
    if (fields === this.#width) return undefined;
    const message = `the line has ${fields} fields, and there are ${this.#width} columns`;
    return { row: line, reason: 'ragged', message, raw: text() };
  }
}

const NEWLINE = Buffer.of(0x0a);

async function* readFaults(path: string): AsyncGenerator<SourceFault> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    yield JSON.parse(line) as SourceFault;
  }
}
