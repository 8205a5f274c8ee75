import { files } from '../../src/sources/files.ts';
import { createDuck } from '../helpers/duck.ts';
import { type Sample, samples, WRITERS } from '../helpers/formats.ts';
import { inFiles, inS3, onDisk, type Place } from './places.ts';
import { keepsContract, PER_PARTITION } from './suite.ts';

/** Files of every format, ten items in each. What a format does with its rows: source-contract.test.ts. */
const COLUMNS = { id: 'INTEGER', name: 'VARCHAR' };

/** A format of which a large file is one partition, and why. */
const WHOLE: Readonly<Record<string, string>> = {
  json: 'an array has no place to cut it at; it streams through',
  arrows: 'a stream has no list of its batches; it streams through',
};

function reasonNotToCut(ending: string): string | undefined {
  return /\.(gz|zst)$/.test(ending) ? 'what is packed has no place to cut it at; it streams through' : WHOLE[ending];
}

function adapterOf(ending: string, place: Place) {
  const duck = createDuck();
  const name = (folder: string, part: number) => `${folder}/part-${part}.${ending}`;
  const laid = new Map<string, readonly Sample[]>();
  const write = async (folder: string, part: number, items: readonly Sample[]) =>
    place.put(name(folder, part), await WRITERS[ending]!(items, duck));
  const source = (folder: string, options: object = {}) =>
    files(`${place.path(folder)}/`, { columns: COLUMNS, s3: place.s3(), ...options });
  const uncut = reasonNotToCut(ending);

  keepsContract({
    title: `${ending} files ${place.name}`,
    ...inFiles(place, duck),
    source,
    lay: async (folder, items) => {
      laid.set(folder, items);
      for (let part = 0; part === 0 || part * PER_PARTITION < items.length; part++) {
        await write(folder, part, items.slice(part * PER_PARTITION, (part + 1) * PER_PARTITION));
      }
    },
    change: async (folder, item) => {
      const part = Math.floor((item.id - 1) / PER_PARTITION);
      const items = laid.get(folder)!.slice(part * PER_PARTITION, (part + 1) * PER_PARTITION);
      await write(
        folder,
        part,
        items.map((other) => (other.id === item.id ? item : other)),
      );
    },
    large: async (folder) => {
      await write(folder, 0, samples(8000));
      const options = { partitionRows: 2048, partitionBytes: 40_000 };
      return { source: source(folder, options), items: 8000, partitions: 3 };
    },
    cannot: uncut === undefined ? {} : { huge: uncut },
  });
}

/** Whatever packs a text, it comes from S3 in the same way. */
const IN_S3 = ['parquet', 'jsonl', 'jsonl.gz', 'json', 'csv', 'arrow', 'arrows'];

for (const ending of Object.keys(WRITERS)) {
  adapterOf(ending, onDisk());
  if (IN_S3.includes(ending)) adapterOf(ending, inS3());
}
