import type { SourceContext } from '../model/source.ts';
import type { Dialect } from './csv-options.ts';
import { csvRecords, fieldsOf } from './csv-records.ts';
import type { FoundFile } from './format.ts';

export interface CsvRange {
  /** First byte. */
  start: number;
  /** Byte after the last one. */
  end: number;
  /** Number of its first line. */
  firstLine: number;
  names: readonly string[];
}

/** Ranges of whole records of about the same size, below the header. Reads the file from end to end. */
export async function* csvRanges(
  file: FoundFile,
  dialect: Dialect,
  count: number,
  { signal }: SourceContext,
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
