import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPickle } from '../../src/sources/session/pickle.ts';
import { PyObject, type PyValue } from '../../src/sources/session/python.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import { entriesOf, type READERS } from '../helpers/session/files.ts';

const FOLDER = join(CORPUS, 'jac');

/** As the expected dump has it, with every class named. */
function dumped(value: PyValue): unknown {
  if (value instanceof PyObject) return dumpedObject(value);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [String(key), dumped(inner)]));
  return Array.isArray(value) ? value.map(dumped) : value;
}

function dumpedObject({ className, args, state = new Map() }: PyObject): unknown {
  if (className === 'uuid.UUID') {
    const hex = BigInt(state.get('int') as bigint)
      .toString(16)
      .padStart(32, '0');
    return { $uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') };
  }
  const attributes = dumped(state) as object;
  return { $class: className, ...(args.length > 0 ? { $args: args.map(dumped) } : {}), ...attributes };
}

describe.skipIf(!corpusPresent())('the JAC sessions', () => {
  test.each([
    ['gdbm', 'main_gdbm.session'],
    ['sqlite', 'main_sqlite.session'],
    ['dumb', 'main_dumb.session'],
  ] as [keyof typeof READERS, string][])('the %s container holds what the dump says', async (name, file) => {
    const scratch = await mkdtemp(join(tmpdir(), 'drayage-jac-'));
    try {
      const entries = await entriesOf(name, join(FOLDER, file), scratch);
      const found = entries.map(({ key, content }) => ({ key, value: dumped(readPickle(content as Uint8Array)) }));
      found.sort((a, b) => (a.key < b.key ? -1 : 1));
      const lines = (await readFile(join(FOLDER, 'expected.jsonl'), 'utf8')).trim().split('\n');
      expect(found).toEqual(lines.map((line) => JSON.parse(line)));
    } finally {
      await rm(scratch, { recursive: true });
    }
  });
});
