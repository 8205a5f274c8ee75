import { digest } from '../base/ids.ts';
import type { SourceContext } from '../model/source.ts';
import { deferred } from './deferred.ts';
import type { FileFormat, FoundFile } from './format.ts';
import { Here } from './here.ts';
import { elementLines } from './json-elements.ts';
import { inferJsonTypes } from './json-infer.ts';
import { jsonRows, surveyLines } from './json-rows.ts';
import { releasing } from './jsonl.ts';
import { assertSame, fileFingerprint, pinsOf } from './pinned.ts';
import { upperCased } from './text-types.ts';

/** JSON: an array, whose elements are the rows, numbered from 1; or one object, which is the only row. */
export const json: FileFormat = {
  name: 'json',
  extensions: ['.json'],
  packs: true,

  async *partitions(file, { columns }, context) {
    const types =
      Object.keys(columns).length > 0
        ? upperCased(columns)
        : await withElements(file, context, async (here) => {
            const found = await inferJsonTypes(here, context);
            await here.release();
            return found;
          });
    yield {
      key: file.path,
      fingerprint: fileFingerprint(file),
      rows: null,
      bytes: file.size,
      file: file.path,
      shape: digest(JSON.stringify(types)),
      spec: { ...pinsOf(file), types: JSON.stringify(types) },
    };
  },

  async open(file, spec, { lenient, columns }, context) {
    const types = JSON.parse(String(spec.types)) as Record<string, string>;
    const options = { types, declared: Object.keys(columns).length > 0, lenient, firstLine: 1 };
    return deferred(
      () => assertSame(file),
      types,
      context,
      () => withElements(file, context, (here) => jsonRows(surveyLines(here, options), options, context)),
    );
  },
};

/** Hands on a file with one element a line, which whoever is given it has to release. */
async function withElements<Result>(
  file: FoundFile,
  context: SourceContext,
  use: (here: Here) => Promise<Result>,
): Promise<Result> {
  const here = await Here.bring(file, undefined, context);
  return releasing(here, async () => {
    const path = await here.write('elements', elementLines(here));
    return use(here.as(path));
  });
}
