import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readPickle } from '../../src/sources/session/pickle.ts';
import { PyObject, type PyValue } from '../../src/sources/session/python.ts';
import { type SessionRecord, session } from '../../src/sources/session.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import { entriesOf, type READERS } from '../helpers/session/files.ts';
import { readAll } from '../helpers/session/read.ts';

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

  test('all three give the same records', async () => {
    const root = await mkdtemp(join(tmpdir(), 'drayage-jac-'));
    const [one, ...others] = await Promise.all(
      ['main_gdbm.session', 'main_sqlite.session', 'main_dumb.session'].map(async (file) => {
        const records = await readAll(session({ path: join(FOLDER, file), endFields: ['id'] }), root);
        const values = records.map((record) => (record as { value: SessionRecord }).value);
        return values.sort((a, b) => (a.id < b.id ? -1 : 1));
      }),
    );
    await rm(root, { recursive: true });
    expect(one).toHaveLength(22);
    for (const other of others) expect(other).toEqual(one);
    const handled = one!.find(({ type }) => type === 'HandledBy');
    expect(handled).toMatchObject({
      source: { type: 'Report', fields: { id: '0fd630f1-f29d-4da9-953f-48f1a09f76b5' } },
      target: { id: '9531985d-5d9d-49f8-9818-e811892f902b', type: 'Organisation' },
    });
  });
});
