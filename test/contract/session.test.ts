import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Anchor, pickled } from '../../jobs/samples/anchors.ts';
import { CONTAINERS, type Entries } from '../../jobs/samples/containers.ts';
import { type SessionRecord, session } from '../../src/sources/session.ts';
import { type Sample, samples } from '../helpers/formats.ts';
import { onDisk } from './places.ts';
import { keepsContract, PER_PARTITION } from './suite.ts';

/** Sessions in each of the containers that Python and JAC have kept them in. */
const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const anchorOf = ({ id, name }: Sample): Anchor => ({
  id: uuid(id),
  kind: 'NodeAnchor',
  type: 'Report',
  fields: { id, name },
});
const pickles = (items: readonly Sample[]): Entries =>
  items.map((item) => [uuid(item.id), pickled(anchorOf(item), uuid(0))] as const);

interface Layout {
  ending: string;
  /** Of the sessions in a folder; by default the folder. */
  glob?: string;
  write(path: string, items: readonly Sample[]): void;
}

const JAC_TABLES = {
  pickles: 'create table anchors (id text primary key, data blob not null)',
  json: `create table anchors (id text primary key, type text not null, arch_type text, data text not null)`,
};

function writeAnchors(path: string, form: keyof typeof JAC_TABLES, items: readonly Sample[]): void {
  const database = new DatabaseSync(path);
  database.exec(`drop table if exists anchors; ${JAC_TABLES[form]}; begin`);
  for (const item of items) {
    if (form === 'pickles') {
      const data = pickled(anchorOf(item), uuid(0));
      database.prepare('insert into anchors (id, data) values (?, ?)').run(uuid(item.id), data);
      continue;
    }
    const { id, kind, type, fields } = anchorOf(item);
    const data = JSON.stringify({
      ...{ __type__: kind, id, root: uuid(0), edges: [] },
      archetype: { __type__: type, __module__: 'main', ...fields },
    });
    database.prepare('insert into anchors (id, type, data) values (?, ?, ?)').run(id, kind, data);
  }
  database.exec('commit');
  database.close();
}

const LAYOUTS: Readonly<Record<string, Layout>> = {
  'GDBM sessions': { ending: 'session', write: (path, items) => CONTAINERS.gdbm(path, pickles(items)) },
  'SQLite shelves': { ending: 'session', write: (path, items) => CONTAINERS.sqlite(path, pickles(items)) },
  'dbm.dumb shelves': {
    ending: 'session.dat',
    write: (path, items) => CONTAINERS.dumb(path.replace(/\.dat$/, ''), pickles(items)),
  },
  'SQLite anchors of pickles': { ending: 'session.db', write: (path, items) => writeAnchors(path, 'pickles', items) },
  'sessions written out as JSON': {
    ...{ ending: 'json', glob: '/*.json' },
    write: (path, items) => writeFileSync(path, JSON.stringify(items)),
  },
  'SQLite anchors of JSON': { ending: 'session.db', write: (path, items) => writeAnchors(path, 'json', items) },
};

for (const [title, { ending, write, glob = '' }] of Object.entries(LAYOUTS)) {
  const place = onDisk();
  const laid = new Map<string, Sample[]>();
  let root: string;
  const part = async (folder: string, number: number) => {
    const name = `${folder}/part-${number}.${ending}`;
    await place.put(name, '');
    await rm(join(root, name));
    const from = number * PER_PARTITION;
    write(join(root, name), laid.get(folder)!.slice(from, from + PER_PARTITION));
    return name;
  };
  keepsContract({
    title,
    start: async (folder) => {
      root = folder;
      await place.start(folder);
      return undefined;
    },
    source: (folder) => session({ path: folder + glob }),
    lay: async (folder, items) => {
      laid.set(folder, [...items]);
      for (let number = 0; number === 0 || number * PER_PARTITION < items.length; number++) await part(folder, number);
    },
    change: async (folder, item) => {
      laid.get(folder)![item.id - 1] = item;
      await part(folder, Math.floor((item.id - 1) / PER_PARTITION));
    },
    remove: place.remove,
    forbidden: place.forbidden,
    large: async (folder) => {
      await place.put(`${folder}/large.${ending}`, '');
      await place.remove(`${folder}/large.${ending}`);
      const long = 'x'.repeat(500_000);
      write(
        join(root, `${folder}/large.${ending}`),
        samples(24).map(({ id }) => ({ id, name: long })),
      );
      return { source: session({ path: folder + glob }), items: 24, partitions: 1, bytes: 24 * long.length };
    },
    itemsIn: (value) => {
      const { fields } = value as SessionRecord;
      return [{ id: Number(fields.id), name: String(fields.name) }];
    },
  });
}
