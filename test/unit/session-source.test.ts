import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Anchor, pickled } from '../../jobs/samples/anchors.ts';
import { CONTAINERS, type ContainerName } from '../../jobs/samples/containers.ts';
import { type SessionRecord, session } from '../../src/sources/session.ts';
import { asNobody } from '../helpers/as-nobody.ts';
import { contextOf, readAll } from '../helpers/session/read.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-session-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const ROOT = id(0);
const ANCHORS: Anchor[] = [
  // An edge may come before the nodes at its ends.
  { id: id(9), kind: 'EdgeAnchor', type: 'HandledBy', fields: { status: 'sent', n: 2n ** 70n }, ends: [id(1), id(2)] },
  { id: ROOT, kind: 'NodeAnchor', type: 'Root', fields: {} },
  {
    id: id(1),
    kind: 'NodeAnchor',
    type: 'Report',
    fields: { id: 'r-1', title: 'Näme', list: [1, null] },
    edges: [id(9)],
  },
  { id: id(2), kind: 'NodeAnchor', type: 'Organisation', fields: { name: 'O' } },
  { id: id(8), kind: 'EdgeAnchor', type: 'RelatedTo', fields: {}, ends: [id(1), id(77)] },
];
const ENTRIES = ANCHORS.map((anchor) => [anchor.id, pickled(anchor, ROOT)] as const);

const access = { all: -1, roots: { anchors: {} } };
const common = { root: ROOT, persistent: true, access };
const EXPECTED = [
  {
    ...common,
    id: ROOT,
    kind: 'node',
    type: 'Root',
    module: 'jaclang.runtimelib.archetype',
    root: null,
    edges: [],
    fields: {},
  },
  {
    ...{ ...common, id: id(1), kind: 'node', type: 'Report', module: 'main', edges: [id(9)] },
    fields: { id: 'r-1', title: 'Näme', list: [1, null] },
  },
  { ...common, id: id(2), kind: 'node', type: 'Organisation', module: 'main', edges: [], fields: { name: 'O' } },
  {
    ...{ ...common, id: id(8), kind: 'edge', type: 'RelatedTo', module: 'main', undirected: false, fields: {} },
    source: { id: id(1), type: 'Report', fields: { id: 'r-1' } },
    target: { id: id(77), type: null, fields: {} },
  },
  {
    ...{ ...common, id: id(9), kind: 'edge', type: 'HandledBy', module: 'main', undirected: false },
    fields: { status: 'sent', n: expect.objectContaining({ text: String(2n ** 70n) }) },
    source: { id: id(1), type: 'Report', fields: { id: 'r-1' } },
    target: { id: id(2), type: 'Organisation', fields: {} },
  },
];

const read = (path: string) => readAll(session({ path, endFields: ['id'] }), root);

/** Nodes before edges, each by id: containers have orders of their own. */
async function values(path: string): Promise<SessionRecord[]> {
  const records = (await read(path)).map((record) => (record as { value: SessionRecord }).value);
  const kinds = records.map(({ kind }) => kind);
  expect(kinds).toEqual([...kinds].sort().reverse());
  return records.sort((a, b) => b.kind.localeCompare(a.kind) || a.id.localeCompare(b.id));
}

describe('the same session', () => {
  test.each(Object.keys(CONTAINERS) as ContainerName[])('in a %s shelf', async (name) => {
    CONTAINERS[name](join(root, `${name}.session`), ENTRIES);
    expect(await values(`${name}.session`)).toEqual(EXPECTED);
  });

  test('in the older table of JAC, with pickles, what is still in the log included', async () => {
    const path = join(root, 'pickles.db');
    const database = new DatabaseSync(path);
    database.exec('pragma journal_mode = wal; create table anchors (id text primary key, data blob not null)');
    for (const [key, value] of ENTRIES) database.prepare('insert into anchors values (?, ?)').run(key, value);
    const before = await readdir(root);
    expect(await values('pickles.db')).toEqual(EXPECTED);
    // Reading leaves no trace beside the session, and no lock on it.
    expect(await readdir(root)).toEqual(before);
    database.exec('delete from anchors');
    database.close();
  });

  test('in the newer table, as JSON, with what JAC itself could not read', async () => {
    const database = new DatabaseSync(join(root, 'json.db'));
    database.exec(`create table anchors (id text primary key, type text not null, arch_module text, arch_type text,
        fingerprint text, data text not null, format_version integer not null default 1, updated_at text);
      create table anchors_quarantine (id text primary key, type text, arch_module text, arch_type text, fingerprint text,
        data text, error text, quarantined_at text, from_format_version integer);
      insert into anchors_quarantine (id, arch_type, data, error) values ('q', 'Report', '{"a":1}', 'KeyError'), ('d', 'DANGLING_REF', '{}', 'x')`);
    for (const { id: key, kind, type, fields, edges = [], ends } of ANCHORS) {
      const runtime = 'jaclang.runtimelib.archetype';
      const json = JSON.stringify(
        {
          ...{ __type__: kind, __module__: 'jaclang.jac0core.archetype', id: key, persistent: true, access },
          root: type === 'Root' ? null : ROOT,
          archetype: { __type__: type, __module__: type === 'Root' ? runtime : 'main', ...fields },
          ...(ends ? { source: ends[0], target: ends[1], is_undirected: false } : { edges }),
        },
        (_, value) =>
          typeof value === 'bigint'
            ? (JSON as never as { rawJSON(text: string): unknown }).rawJSON(String(value))
            : value,
      );
      database.prepare('insert into anchors (id, type, data) values (?, ?, ?)').run(key, kind, json);
    }
    database.close();
    const records = await read('json.db');
    const faults = records.filter((record) => 'reason' in record);
    expect(faults).toEqual([
      {
        row: 6,
        reason: 'quarantined',
        message: 'q: JAC itself could not read it: KeyError',
        raw: '{"key":"q","text":"{\\"a\\":1}"}',
      },
    ]);
    const found = records.filter((record) => 'value' in record).map(({ value }) => value);
    expect(found.sort((a, b) => b.kind.localeCompare(a.kind) || a.id.localeCompare(b.id))).toEqual(EXPECTED);
  });
});

test('nodes that were written out as JSON are read one by one, whatever lies in them', async () => {
  await writeFile(
    join(root, 'reports.json'),
    `\ufeff[ {"id": "a", "t": "],}{\\"["}, {"deep": [[{"x": 1}], []]},\n 7, {bad}, {"n": 12345678901234567890} ]`,
  );
  const listed = await read('reports.json');
  expect(listed.map((record) => ('reason' in record ? record.reason : record.value.fields))).toEqual([
    { id: 'a', t: '],}{"[' },
    { deep: [[{ x: 1 }], []] },
    'not_an_anchor',
    'invalid_json',
    { n: expect.objectContaining({ text: '12345678901234567890' }) },
  ]);
  const ids = listed.map((record) => ('value' in record ? record.value.id : ''));
  expect(ids[0]).toBe('a');
  expect(ids[1]).toMatch(/^[0-9a-f-]{36}$/);
  await writeFile(
    join(root, 'all.json'),
    '{"meta": {"tags": ["x"]}, "organisations": [{"id": "o"}], "n": 1, "reporters": [], "reports": [{"id": "r"}]}',
  );
  const named = (await read('all.json')).map((record) => 'value' in record && [record.value.type, record.value.id]);
  expect(named).toEqual([
    ['Organisation', 'o'],
    ['Report', 'r'],
  ]);
  await writeFile(join(root, 'cut.json'), '[{"id": "a"}, {"id": ');
  await expect(read('cut.json')).rejects.toMatchObject({ code: 'SOURCE_INVALID', where: { file: 'cut.json' } });
});

test('an entry that cannot be read is a fault by its number, and the others go on', async () => {
  const bad = [
    ['bad', Buffer.from('cos\nsystem\n(S"id"\ntR.')],
    ['cut', ENTRIES[2]![1].subarray(0, 90)],
  ] as const;
  CONTAINERS.gdbm(join(root, 'some.session'), [...ENTRIES, ...bad]);
  const records = await read('some.session');
  const faults = records.filter((record) => 'reason' in record);
  expect(faults.map(({ reason, raw }) => [reason, JSON.parse(raw).key]).sort()).toEqual([
    ['invalid_pickle', 'cut'],
    ['not_an_anchor', 'bad'],
  ]);
  expect(records).toHaveLength(ENTRIES.length + 2);
  expect(new Set(records.map(({ row }) => row)).size).toBe(ENTRIES.length + 2);
});

test('a folder and a glob give the sessions, and never the secrets beside them', async () => {
  const folder = join(root, 'app');
  await mkdir(folder);
  CONTAINERS.dumb(join(folder, 'a.session'), ENTRIES);
  CONTAINERS.sqlite(join(folder, 'b.session'), ENTRIES);
  for (const beside of ['a.session.bak', 'b.session.users.json', 'b.session-shm'])
    await writeFile(join(folder, beside), '{}');
  for (const path of ['app', 'app/*', 'app/*.session*']) {
    const plans = await Array.fromAsync(session({ path }).enumerate(contextOf(root)));
    expect(plans.map(({ key, problem }) => [key, problem])).toEqual([
      ['app/a.session.dat', undefined],
      ['app/b.session', undefined],
    ]);
  }
  await expect(read('app/b.session.users.json')).rejects.toThrow(/hashes and tokens, and is never imported/);
  await expect(read('app/a.session')).resolves.toHaveLength(5);
});

test('a link that leads out of its folder is refused alone, and one that runs in a circle leads nowhere', async () => {
  const folder = join(root, 'links/inside');
  await mkdir(folder, { recursive: true });
  for (const name of ['links/outside.session', 'links/inside/good.session']) CONTAINERS.gdbm(join(root, name), ENTRIES);
  await symlink(join(root, 'links/outside.session'), join(folder, 'stray.session'));
  await symlink(folder, join(folder, 'circle'));
  await symlink(join(folder, 'good.session'), join(folder, 'twin.session'));
  const plans = await Array.fromAsync(session({ path: 'links/inside' }).enumerate(contextOf(root)));
  expect(plans.map(({ key, problem }) => [key, problem?.code])).toEqual([
    ['links/inside/good.session', undefined],
    ['links/inside/stray.session', 'SOURCE_INVALID'],
    ['links/inside/twin.session', undefined],
  ]);
});

test('a folder that may not be looked into is told, and what lies in it is not passed over', async () => {
  await mkdir(join(root, 'locked/inner'), { recursive: true });
  CONTAINERS.gdbm(join(root, 'locked/inner/a.session'), ENTRIES);
  await chmod(join(root, 'locked/inner'), 0o000);
  for (const path of ['locked', 'locked/**/*.session']) {
    const reading = asNobody([root], () => Array.fromAsync(session({ path }).enumerate(contextOf(root))));
    await expect(reading).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', where: { file: 'locked/inner' } });
  }
  await chmod(join(root, 'locked/inner'), 0o755);
});

test.each([
  ['page.session', '<!doctype html><p>', /is an HTML page/],
  ['lfs.session', 'version https://git-lfs.github.com/spec/v1', /git lfs pull/],
  ['empty.session', '', /is empty/],
  ['noise.session', 'hello', /is no session/],
  ['alone.session.dat', 'hello', /\.dir is missing/],
  ['swapped.session', Buffer.from('13579acf00000000', 'hex'), /32-bit or big-endian/],
  ['berkeley.session', Buffer.from('61150600', 'hex'), /Berkeley DB/],
])('%s is named as what it is', async (name, content, message) => {
  await writeFile(join(root, name), content);
  await expect(read(name)).rejects.toMatchObject({ code: 'SOURCE_INVALID', message: expect.stringMatching(message) });
});

test('a session that may not be read fails its own partition', async () => {
  CONTAINERS.gdbm(join(root, 'theirs.session'), ENTRIES);
  await chmod(join(root, 'theirs.session'), 0o000);
  const source = session({ path: 'theirs.session' });
  const plans = await asNobody([root], () => Array.fromAsync(source.enumerate(contextOf(root))));
  await chmod(join(root, 'theirs.session'), 0o600);
  expect(plans).toMatchObject([{ key: 'theirs.session', problem: { code: 'SOURCE_UNREADABLE' } }]);
});

test('enumerating again gives the same plan, and an empty shelf no records', async () => {
  CONTAINERS.sqlite(join(root, 'bare.session'), []);
  const source = session({ path: 'bare.session' });
  const plans = () => Array.fromAsync(source.enumerate(contextOf(root)));
  expect(await plans()).toEqual(await plans());
  expect(await read('bare.session')).toEqual([]);
});

test('a session that is not there, is cut, or changes under way is said to be so', async () => {
  await expect(read('none/*.session')).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
  CONTAINERS.gdbm(join(root, 'whole.session'), ENTRIES);
  await writeFile(join(root, 'half.session'), (await readFile(join(root, 'whole.session'))).subarray(0, 6000));
  await expect(read('half.session')).rejects.toMatchObject({ code: 'SOURCE_INVALID', where: { file: 'half.session' } });
  const database = new DatabaseSync(join(root, 'other.session'));
  database.exec('create table people (id int)');
  database.close();
  await expect(read('other.session')).rejects.toThrow(/neither a table Dict nor a table anchors/);

  const source = session({ path: 'whole.session' });
  const [plan] = await Array.fromAsync(source.enumerate(contextOf(root)));
  const opened = await source.open(plan!, contextOf(root));
  await appendFile(join(root, 'whole.session'), 'x');
  await expect(opened.assertUnchanged()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  await expect(source.open(plan!, contextOf(root))).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  await copyFile(join(root, 'half.session'), join(root, 'whole.session'));
  await opened.close();
});
