import { digest } from '../base/ids.ts';
import type { SourceContext } from '../model/source.ts';
import { deferred } from './deferred.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { Here } from './here.ts';
import { inferJsonTypes } from './json-infer.ts';
import { isPlain, jsonRows, type LineSurvey, surveyLines, uncheckedRows } from './json-rows.ts';
import { lineRanges } from './line-ranges.ts';
import { assertSame, fileFingerprint, pinsOf } from './pinned.ts';
import { upperCased } from './text-types.ts';

/** JSON Lines: one object a line; blank lines are skipped. Large files are cut into ranges of whole lines. */
export const jsonl: FileFormat = {
  name: 'jsonl',
  extensions: ['.jsonl', '.ndjson'],
  packs: true,

  async *partitions(file, { columns, partitionBytes }, context) {
    const types = await columnTypes(file, columns, context);
    for await (const { start, end, firstLine } of lineRanges(file, partitionBytes, context.signal)) {
      const whole = start === 0 && end === file.size;
      const key = whole ? file.path : `${file.path}#bytes=${start + 1}-${end}`;
      yield {
        key,
        fingerprint: whole ? fileFingerprint(file) : fileFingerprint(file, key),
        rows: null,
        bytes: end - start,
        file: file.path,
        shape: digest(JSON.stringify(types)),
        spec: { ...pinsOf(file), start, end, firstLine, types: JSON.stringify(types) },
      };
    }
  },

  async open(file, spec, { lenient, columns }, context) {
    const types = JSON.parse(String(spec.types)) as Record<string, string>;
    const [start, end, firstLine] = [Number(spec.start), Number(spec.end), Number(spec.firstLine)];
    const range = start === 0 && end === file.size ? undefined : { start, end };
    const options = { types, declared: Object.keys(columns).length > 0, lenient, firstLine };
    let surveying: Promise<LineSurvey> | undefined;
    const survey = () => {
      surveying ??= Here.bring(file, range, context).then((here) => surveyLines(here, options));
      return surveying;
    };
    return deferred(
      () => assertSame(file),
      types,
      context,
      async () => {
        const looked = await survey();
        return releasing({ release: looked.close }, () => jsonRows(looked, options, context));
      },
      isPlain(options) ? async () => uncheckedRows(await survey(), options) : undefined,
    );
  },
};

async function columnTypes(
  file: FoundFile,
  declared: Readonly<Record<string, string>>,
  context: SourceContext,
): Promise<Record<string, string>> {
  if (Object.keys(declared).length > 0) return upperCased(declared);
  const here = await Here.bring(file, undefined, context);
  try {
    // The first bytes tell whether it is what its name says.
    for await (const _ of here.bytes()) break;
    return await inferJsonTypes(here, context);
  } finally {
    await here.release();
  }
}

/** Gives back what was brought here when nothing comes of it. */
export async function releasing<Result>(here: Pick<Here, 'release'>, make: () => Promise<Result>): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    await here.release();
    throw error;
  }
}
