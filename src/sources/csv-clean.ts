import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { SourceFault } from '../model/source.ts';
import { blocks, type Head, headOf, type Part } from './csv-head.ts';
import type { Dialect } from './csv-options.ts';
import { type PlainCsv, plainCsv } from './csv-plain.ts';
import { type CsvBlock, type CsvRecord, STRAY_RETURN } from './csv-records.ts';
import type { Here } from './here.ts';
import { releasing } from './jsonl.ts';

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

/** A CSV file that is being looked at. */
export interface CsvSurvey {
  here: Here;
  dialect: Dialect;
  part: Part | undefined;
  head: Head;
  /** What it holds if DuckDB can read it as it is. Asked for again, the same. @throws as `Here.bytes` */
  plain(): Promise<PlainCsv | undefined>;
  close(): Promise<void>;
}

/** @param here given back when the survey is closed, or comes to nothing @throws as `headOf` */
export async function surveyCsv(here: Here, dialect: Dialect, part: Part | undefined): Promise<CsvSurvey> {
  const closed = new AbortController();
  let looking: Promise<PlainCsv | undefined> | undefined;
  const look = async (head: Head) => (head.marked ? undefined : plainCsv(here, dialect, head, part, closed.signal));
  return releasing(here, async () => {
    const head = await headOf(here, dialect, part);
    return {
      ...{ here, dialect, part, head },
      plain: () => {
        looking ??= look(head);
        return looking;
      },
      close: async () => {
        closed.abort();
        await looking?.catch(() => undefined);
        await here.release();
      },
    };
  });
}

/** A file that DuckDB can read as it is. */
export function untouched({ here, part, head: { names, above } }: CsvSurvey, plain: PlainCsv): CleanCsv {
  const faults = async function* () {};
  return { path: here.path, untouched: true, names, above, skip: part ? 0 : above, ...plain, faults };
}

/**
 * A file as it is where DuckDB can read it so: every record as wide as the header, one line each, UTF-8. If not,
 * the sound records are copied, each with its line's number, and the others become faults.
 * @param mustCopy copy them in any case
 */
export async function cleanCsv(survey: CsvSurvey, mustCopy = false): Promise<CleanCsv> {
  const { here, dialect, part, head } = survey;
  const { names, above } = head;
  const plain = mustCopy ? undefined : await survey.plain();
  if (plain) return untouched(survey, plain);
  const copy = new Copy(names.length, dialect, above);
  const path = await here.write('records', copy.good(blocks(here, dialect, part)));
  const bad = await here.write('faults', copy.bad(blocks(here, dialect, part)));
  const { records, longest } = copy;
  const faults = () => readFaults(bad);
  return { path, untouched: false, names, records, above: 0, skip: 0, longest, returns: false, faults };
}

class Copy {
  records = 0;
  longest = 0;
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
        const number = Buffer.from(`${record.line}${this.#delimiter}`);
        parts.push(number, raw, NEWLINE);
        this.records++;
        this.longest = Math.max(this.longest, number.length + raw.length + NEWLINE.length);
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
    const reason = problem === STRAY_RETURN ? 'bad_line_end' : 'bad_quoting';
    if (problem) return { row: line, reason, message: problem, raw: text() };
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
