import type { SourceContext } from '../model/source.ts';
import type { Dialect } from './csv-options.ts';
import { csvRecords, fieldsOf } from './csv-records.ts';
import type { FoundFile } from './format.ts';
import { probed } from './line-ranges.ts';

export interface CsvRange {
  /** First byte. */
  start: number;
  /** Byte after the last one. */
  end: number;
  /** Number of its first line. */
  firstLine: number;
  names: readonly string[];
}

/**
 * Ranges of whole records of about the same size, below the header. The file is read from end to end, since nothing else
 * tells which line ends stand inside of quotes: from S3, too. Where there are no quotes, only the places are looked at
 * where an object of S3 is cut, and its lines are numbered from the start of their range.
 */
export async function* csvRanges(
  file: FoundFile,
  dialect: Dialect,
  count: number,
  { signal }: SourceContext,
): AsyncGenerator<CsvRange> {
  if (dialect.quote !== 0 || file.store.localPath(file) !== undefined) yield* scanned(file, dialect, count, signal);
  else {
    // The first range says where data begins, and what the columns are called.
    for await (const { start, firstLine, names } of scanned(file, dialect, file.size, signal)) {
      let isFirst = true;
      for await (const range of probed(file, start, count, signal)) {
        yield { ...range, names, firstLine: isFirst ? firstLine : 1 };
        isFirst = false;
      }
      return;
    }
  }
}

async function* scanned(
  file: FoundFile,
  dialect: Dialect,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<CsvRange> {
  let names = Array.isArray(dialect.header) ? (dialect.header as readonly string[]) : undefined;
  let range: { start: number; firstLine: number } | undefined;
  let cuts = 1;
  let end = 0;
  for await (const { bytes, offset, records } of csvRecords(
    file.store.read(file, { start: 0, end: file.size }, signal),
    dialect,
  )) {
    for (const record of records) {
      if (record.line <= dialect.skip) continue;
      if (!names) {
        const fields = fieldsOf(bytes, record, dialect);
        names = dialect.header === true ? fields.map(withoutBom) : fields.map((_, index) => `column${index}`);
        if (dialect.header === true) continue;
      }
      range ??= { start: offset + record.start, firstLine: record.line };
      end = offset + record.next;
      if (end < (file.size * cuts) / count) continue;
      yield { ...range, end, names };
      range = { start: end, firstLine: record.line + record.lines };
      while ((file.size * cuts) / count <= end) cuts++;
    }
  }
  if (range && names && range.start < end) yield { ...range, end, names };
}

const withoutBom = (name: string) => name.replace(/^\uFEFF/, '');
