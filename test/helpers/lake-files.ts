import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duck } from '../../src/duckdb/instance.ts';
import { rows } from '../../src/duckdb/scan.ts';
import { quotePath } from '../../src/duckdb/types.ts';
import { type LakeFile, liveFiles, type Manifest, parseManifest } from '../../src/model/manifest.ts';

/** The manifests of a lake in a folder, in the order of their names. */
export async function manifests(root: string): Promise<Manifest[]> {
  const names = await readdir(join(root, '_manifest')).catch(() => []);
  const files = names.sort().map((name) => join(root, '_manifest', name));
  return Promise.all(files.map(async (file) => parseManifest(await readFile(file, 'utf8'), file)));
}

/** Every file of Parquet below the root, whether anybody names it or not. */
export async function filesOnDisk(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith('.parquet')).sort();
}

/** What the manifests say is there, after everything that they say about it was found to be so. */
export async function soundFiles(duck: Duck, root: string): Promise<LakeFile[]> {
  const live = liveFiles(await manifests(root));
  for (const { path, bytes, checksum, rows: count, columns } of live) {
    const content = await readFile(join(root, path));
    if (content.length !== bytes) throw new Error(`${path} has ${content.length} bytes, not ${bytes}`);
    const found = createHash('sha256').update(content).digest('hex');
    if (found !== checksum) throw new Error(`${path} has another checksum`);
    const read = `read_parquet(${quotePath(join(root, path))}, hive_partitioning = false)`;
    const [counted] = await duck.use((connection) => rows(connection, `select count(*)::double as rows from ${read}`));
    if (counted!.rows !== count) throw new Error(`${path} has ${counted!.rows} rows, not ${count}`);
    const types = await duck.use((connection) =>
      rows(connection, `select column_name as name, column_type as type from (describe select * from ${read})`),
    );
    const told = columns.map(({ name, type }) => ({ name, type }));
    if (JSON.stringify(types) !== JSON.stringify(told)) throw new Error(`${path} has other columns`);
  }
  return live;
}

/** A query over a dataset's live files as `lake`. */
export async function queryLake(duck: Duck, root: string, dataset: string, sql: string) {
  const files = (await soundFiles(duck, root)).filter((file) => file.dataset === dataset);
  const list = files.map(({ path }) => quotePath(join(root, path))).join(', ');
  const from = `read_parquet([${list}], union_by_name = true, hive_partitioning = false)`;
  return duck.use((connection) => rows(connection, `with lake as (from ${from}) ${sql}`));
}
