import { randomBytes } from 'node:crypto';
import { dynamodbExport } from '../../src/sources/dynamodb/export.ts';
import { exportFiles } from '../helpers/dynamo-export.ts';
import { type Sample, samples } from '../helpers/formats.ts';
import { inS3, onDisk, type Place } from './places.ts';
import { keepsContract, PER_PARTITION } from './suite.ts';

const line = ({ id, name }: Sample) => JSON.stringify({ Item: { id: { N: String(id) }, name: { S: name } } });

async function write(place: Place, folder: string, parts: readonly (readonly Sample[])[]): Promise<void> {
  for (const [name, content] of exportFiles(parts.map((items) => items.map(line)))) {
    await place.put(`${folder}/${name}`, content);
  }
}

for (const place of [onDisk(), inS3()]) {
  const laid = new Map<string, Sample[]>();
  const parts = (folder: string) => {
    const items = laid.get(folder)!;
    const count = Math.max(1, Math.ceil(items.length / PER_PARTITION));
    return Array.from({ length: count }, (_, part) => items.slice(part * PER_PARTITION, (part + 1) * PER_PARTITION));
  };
  const source = (folder: string) => dynamodbExport(place.path(folder), { s3: place.s3() });
  keepsContract({
    title: `DynamoDB exports ${place.name}`,
    start: async (root) => {
      await place.start(root);
      return undefined;
    },
    stop: place.stop,
    source,
    lay: async (folder, items) => {
      laid.set(folder, [...items]);
      await write(place, folder, parts(folder));
    },
    change: async (folder, item) => {
      laid.get(folder)![item.id - 1] = item;
      await write(place, folder, parts(folder));
    },
    remove: place.remove,
    forbidden: place.forbidden,
    large: async (folder) => {
      // Packed, it is of the size of what it holds.
      const items = samples(12).map(({ id }) => ({ id, name: randomBytes(400_000).toString('base64') }));
      await write(place, folder, [items]);
      // What comes from S3 waits in the network's buffers, too.
      const bytes = place.name === 'on disk' ? 4_800_000 : undefined;
      return { source: source(folder), items: 12, partitions: 1, ...(bytes ? { bytes } : {}) };
    },
  });
}
