import { createHash } from 'node:crypto';
import { formatManifest, type LakeFile } from '../../src/model/manifest.ts';
import { lakeFiles } from '../../src/sources/lake-files.ts';
import { createDuck } from '../helpers/duck.ts';
import { type Sample, samples, WRITERS } from '../helpers/formats.ts';
import { inFiles, inS3, onDisk } from './places.ts';
import { keepsContract, PER_PARTITION } from './suite.ts';

const COLUMNS = [
  { name: 'id', type: 'INTEGER' },
  { name: 'name', type: 'VARCHAR' },
];

for (const place of [onDisk(), inS3()]) {
  const duck = createDuck();
  const laid = new Map<string, Sample[]>();

  /** As a run publishes: files first, and then the manifest that names them. */
  async function publish(lake: string, run: string, parts: ReadonlyMap<string, readonly Sample[]>, removes: string[]) {
    const files: LakeFile[] = [];
    for (const [path, items] of parts) {
      const content = await WRITERS.parquet!(items, duck);
      await place.put(`${lake}/${path}`, content);
      const checksum = createHash('sha256').update(content).digest('hex');
      const source = { partition: path, fingerprint: checksum };
      files.push({
        ...{ dataset: 'items', path, rows: items.length, bytes: content.length },
        ...{ checksum, columns: COLUMNS, source },
      });
    }
    const manifest = { version: 1, run, job: 'test', published: new Date().toISOString(), files, removes } as const;
    await place.put(`${lake}/_manifest/${run}.json`, formatManifest(manifest));
  }

  const pathOf = (part: number) => `items/part-${part}.parquet`;
  const itemsOf = (lake: string, part: number) =>
    laid.get(lake)!.slice(part * PER_PARTITION, (part + 1) * PER_PARTITION);
  const source = (lake: string, more: object = {}) =>
    lakeFiles({ root: place.path(lake), dataset: 'items', s3: place.s3(), ...more });

  keepsContract({
    title: `datasets of a lake ${place.name}`,
    ...inFiles(place, duck),
    source,
    lay: async (lake, items) => {
      laid.set(lake, [...items]);
      const count = Math.max(1, Math.ceil(items.length / PER_PARTITION));
      const parts = Array.from({ length: count }, (_, part) => [pathOf(part), itemsOf(lake, part)] as const);
      await publish(lake, 'first', new Map(parts), []);
    },
    change: async (lake, item) => {
      laid.get(lake)![item.id - 1] = item;
      const part = Math.floor((item.id - 1) / PER_PARTITION);
      const again = pathOf(part).replace('.parquet', '-again.parquet');
      await publish(lake, 'second', new Map([[again, itemsOf(lake, part)]]), [pathOf(part)]);
    },
    large: async (lake) => {
      await publish(lake, 'first', new Map([[pathOf(0), samples(8000)]]), []);
      return { source: source(lake, { partitionRows: 2048 }), items: 8000, partitions: 3 };
    },
    cannot: {
      fingerprint: 'a file of a lake stays as it is, and what changes is in another file',
      changed: 'a file of a lake stays as it is, also when it is no longer part of it',
    },
  });
}
