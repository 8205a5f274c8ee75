import type { RunDirectory } from '../../src/sources/run-directory/directory.ts';
import { runDirectories } from '../../src/sources/run-directory/index.ts';
import type { Sample } from '../helpers/formats.ts';
import { onDisk } from './places.ts';
import { keepsContract, PER_PARTITION } from './suite.ts';

const place = onDisk();
const pathOf = (folder: string, { id }: Sample) =>
  `${folder}/run-${Math.floor((id - 1) / PER_PARTITION)}/stage1/${String(id).padStart(5, '0')}.json`;
const write = (folder: string, item: Sample) => place.put(pathOf(folder, item), JSON.stringify(item));

keepsContract({
  title: 'run directories on disk',
  start: async (root) => {
    await place.start(root);
    return undefined;
  },
  source: (folder) => runDirectories({ path: folder }),
  lay: async (folder, items) => {
    if (items.length === 0) await place.put(`${folder}/run-0/notes.txt`, 'nothing yet');
    for (const item of items) await write(folder, item);
  },
  change: write,
  remove: place.remove,
  forbidden: place.forbidden,
  itemsIn: (value) => (value as RunDirectory).files.map(({ json }) => json as Sample),
  cannot: { huge: 'a run is one record, which is held as a whole; a file of more than 64 MiB is a reject' },
});
