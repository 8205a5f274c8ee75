import { digest } from '../base/ids.ts';
import type { SourceContext } from '../model/source.ts';
import { type CsvSurvey, cleanCsv, surveyCsv } from './csv-clean.ts';
import { inferTextTypes } from './csv-infer.ts';
import { assertSeparated, type Dialect, dialectOf } from './csv-options.ts';
import { csvRanges } from './csv-ranges.ts';
import { csvRows, textsOf, uncheckedRows } from './csv-rows.ts';
import { deferred } from './deferred.ts';
import type { FileFormat, FoundFile, WholeOptions } from './format.ts';
import { Here } from './here.ts';
import { releasing } from './jsonl.ts';
import { assertSame, fileFingerprint, pinsOf } from './pinned.ts';
import { upperCased } from './text-types.ts';

/** CSV by RFC 4180, with columns by the names of the header. Large files are cut between records. */
export const csv: FileFormat = delimited('csv', ['.csv'], ',');

export const tsv: FileFormat = delimited('tsv', ['.tsv', '.tab'], '\t');

function delimited(name: 'csv' | 'tsv', extensions: readonly string[], delimiter: string): FileFormat {
  return {
    name,
    extensions,
    packs: true,

    async *partitions(file, options, context) {
      const dialect = dialectFor(options, delimiter);
      const types = await columnTypes(file, dialect, options, context);
      const shared = { rows: null, file: file.path, shape: digest(JSON.stringify(types)) };
      const spec = { ...pinsOf(file), types: JSON.stringify(types) };
      const count = file.packing === 'none' ? Math.round(file.size / options.partitionBytes) : 1;
      if (count <= 1) {
        yield { ...shared, key: file.path, fingerprint: fileFingerprint(file), bytes: file.size, spec };
        return;
      }
      for await (const { start, end, firstLine, names } of csvRanges(file, dialect, count, context)) {
        const key = `${file.path}#bytes=${start + 1}-${end}`;
        const range = { start, end, firstLine, names: JSON.stringify(names) };
        yield {
          ...shared,
          key,
          fingerprint: fileFingerprint(file, key),
          bytes: end - start,
          spec: { ...spec, ...range },
        };
      }
    },

    async open(file, spec, options, context) {
      const dialect = dialectFor(options, delimiter);
      const types = JSON.parse(String(spec.types)) as Record<string, string>;
      const range = spec.end === undefined ? undefined : { start: Number(spec.start), end: Number(spec.end) };
      const part = range && { firstLine: Number(spec.firstLine), names: JSON.parse(String(spec.names)) as string[] };
      let surveying: Promise<CsvSurvey> | undefined;
      const survey = () => {
        surveying ??= Here.bring(file, range, context).then((here) => surveyCsv(here, dialect, part));
        return surveying;
      };
      return deferred(
        () => assertSame(file),
        types,
        context,
        async () => {
          const looked = await survey();
          return releasing({ release: looked.close }, () => csvRows(looked, types, context));
        },
        async () => uncheckedRows(await survey(), types),
      );
    },
  };
}

/** Without a header, the declared columns are those of the file, in their order. */
function dialectFor({ csv: given, columns }: WholeOptions, delimiter: string): Dialect {
  const dialect = dialectOf(given, delimiter);
  const declared = Object.keys(columns);
  return dialect.header === false && declared.length > 0 ? { ...dialect, header: declared } : dialect;
}

async function columnTypes(
  file: FoundFile,
  dialect: Dialect,
  { columns, csv: given }: WholeOptions,
  context: SourceContext,
): Promise<Record<string, string>> {
  if (Object.keys(columns).length > 0) return upperCased(columns);
  const survey = await surveyCsv(await Here.bring(file, undefined, context), dialect, undefined);
  try {
    const clean = await cleanCsv(survey);
    assertSeparated(file.path, clean.names, given);
    return await inferTextTypes(textsOf(survey, clean), clean.names, context);
  } finally {
    await survey.close();
  }
}
