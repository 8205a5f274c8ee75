import type { Dialect } from './csv-options.ts';
import { type CsvBlock, type CsvRecord, csvRecords, fieldsOf } from './csv-records.ts';
import type { Here } from './here.ts';

/** Where a part of a file begins, and what the columns are called that are named elsewhere. */
export interface Part {
  firstLine: number;
  names: readonly string[];
}

/** What the first lines of a CSV file say of the others. */
export interface Head {
  names: readonly string[];
  /** The last line above the data; lines are numbered from there. */
  above: number;
  /** Where the data begins, behind what is skipped and a byte order mark. */
  start: number;
  /** Whether there is a byte order mark. */
  marked: boolean;
  /** Whether the first line of data ends in \r\n. */
  returns: boolean;
}

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** @throws SOURCE_INVALID for a file without columns, and as `Here.bytes` */
export async function headOf(here: Here, dialect: Dialect, part: Part | undefined): Promise<Head> {
  const names = part?.names ?? (Array.isArray(dialect.header) ? (dialect.header as readonly string[]) : []);
  const above = part ? part.firstLine - 1 : dialect.skip;
  const head = { names, above, start: 0, marked: await startsWithBom(here), returns: false };
  for await (const { bytes, offset, records } of blocks(here, dialect, part)) {
    for (const record of records) {
      if (head.names.length === 0) {
        const fields = namesOf(here, bytes, record, dialect);
        if (dialect.header === true) {
          Object.assign(head, { names: fields, above: record.line + record.lines - 1, start: offset + record.next });
          continue;
        }
        head.names = fields.map((_, index) => `column${index}`);
      }
      return { ...head, returns: bytes[record.end] === RETURN };
    }
  }
  if (head.names.length === 0) throw invalid(here, 'it is empty, and not even a header says what it holds');
  return head;
}

const RETURN = 0x0d;

export async function* blocks(
  here: Here,
  { skip, ...dialect }: Dialect,
  part: Part | undefined,
): AsyncGenerator<CsvBlock> {
  yield* csvRecords(contentOf(here.bytes(), skip, part), { skip, ...dialect }, part?.firstLine ?? skip + 1);
}

/** The bytes of a file below what is skipped and without a byte order mark; all bytes of a part. */
export function contentOf(bytes: AsyncIterable<Buffer>, skip: number, part: Part | undefined): AsyncIterable<Buffer> {
  return part ? bytes : withoutHead(bytes, skip);
}

async function startsWithBom(here: Here): Promise<boolean> {
  for await (const piece of here.bytes()) return hasBom(piece);
  return false;
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

function namesOf(here: Here, bytes: Buffer, record: CsvRecord, dialect: Dialect): string[] {
  if (record.problem) throw invalid(here, `its header cannot be read: ${record.problem}`);
  const fields = fieldsOf(bytes, record, dialect);
  if (dialect.header !== true) return fields;
  const seen = new Set<string>();
  for (const [index, name] of fields.entries()) {
    if (name === '') throw invalid(here, `column ${index + 1} has no name`);
    if (seen.has(name.toLowerCase())) throw invalid(here, `two columns are called "${name}"`);
    seen.add(name.toLowerCase());
  }
  return fields;
}

function invalid(here: Here, problem: string) {
  const hint = 'Mend the file, or say how it is written with files(path, { csv }).';
  return here.invalid(`is not a CSV file as it is described: ${problem}`, hint);
}
