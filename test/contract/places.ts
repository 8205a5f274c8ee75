import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duck } from '../../src/duckdb/instance.ts';
import type { SourceContext } from '../../src/model/source.ts';
import { s3Store } from '../../src/store/s3.ts';
import { asNobody } from '../helpers/as-nobody.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

/** Where files lie. */
export interface Place {
  name: 'on disk' | 'in S3';
  start(root: string): Promise<void>;
  stop(): Promise<void>;
  /** As a source is told of it. */
  path(name: string): string;
  /** Options of sources. */
  s3(): { endpoint?: string };
  put(name: string, content: Uint8Array | string): Promise<void>;
  /** Everything below a name. */
  remove(name: string): Promise<void>;
  forbidden<Result>(
    name: string,
    context: SourceContext,
    read: (context: SourceContext) => Promise<Result>,
  ): Promise<Result>;
}

/** What every adapter whose input lies in files has in common. @param duck that writes them */
export function inFiles(place: Place, duck: Duck) {
  return {
    start: async (root: string) => {
      await place.start(root);
      return undefined;
    },
    stop: async () => {
      await duck.close();
      await place.stop();
    },
    remove: place.remove,
    forbidden: place.forbidden,
  };
}

export function onDisk(): Place {
  let root: string;
  return {
    name: 'on disk',
    start: async (folder) => {
      root = folder;
    },
    stop: async () => undefined,
    path: (name) => name,
    s3: () => ({}),
    put: async (name, content) => {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), content);
    },
    remove: (name) => rm(join(root, name), { recursive: true }),
    forbidden: async (name, context, read) => {
      const files = await readdir(join(root, name), { recursive: true, withFileTypes: true });
      for (const file of files) if (file.isFile()) await chmod(join(file.parentPath, file.name), 0o000);
      const { folder } = context.disk;
      return asNobody([root, folder, dirname(folder)], () => read(context));
    },
  };
}

const BUCKET = 'contract';

export function inS3(): Place {
  let server: S3Server;
  const store = () => s3Store({ endpoint: server.endpoint });
  return {
    name: 'in S3',
    start: async () => {
      Object.assign(process.env, S3_ENV);
      server = await startS3(BUCKET);
    },
    stop: () => server.stop(),
    path: (name) => `s3://${BUCKET}/${name}`,
    s3: () => ({ endpoint: server.endpoint }),
    put: (name, content) => store().put({ bucket: BUCKET, key: name }, content),
    remove: async (name) => {
      const found = await Array.fromAsync(store().list({ bucket: BUCKET, key: `${name}/` }));
      await store().delete(
        BUCKET,
        found.map(({ key }) => key),
      );
    },
    forbidden: async (_, context, read) => {
      server.interfere(() => 'forbid');
      try {
        return await read(context);
      } finally {
        server.interfere(undefined);
      }
    },
  };
}
