import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Duck } from '../../src/duckdb/instance.ts';
import { describe, rows } from '../../src/duckdb/scan.ts';
import { formatManifest, type LakeFile, manifestPath } from '../../src/model/manifest.ts';
import type { S3Store } from '../../src/store/s3.ts';

/** A file to be: its dataset, its day (`2026-01-31`), and the rows as a query of DuckDB's. */
export interface FileToBe {
  dataset: string;
  day: string;
  query: string;
  /** Its number within the day. Default 1. */
  number?: number;
}

/** Publishes files into a local lake as a run would. @returns them as the manifest has them */
export async function publish(
  duck: Duck,
  root: string,
  run: string,
  files: readonly FileToBe[],
  removes: readonly string[] = [],
): Promise<LakeFile[]> {
  const made: LakeFile[] = [];
  for (const file of files) made.push(await writeFileOf(duck, root, run, file));
  const manifest = { version: 1 as const, run, job: 'test', published: new Date().toISOString(), files: made, removes };
  await writeAt(join(root, manifestPath(run)), formatManifest(manifest));
  return made;
}

async function writeFileOf(duck: Duck, root: string, run: string, file: FileToBe): Promise<LakeFile> {
  const { dataset, day, query, number = 1 } = file;
  const [year, month, date] = day.split('-');
  const path = `${dataset}/year=${year}/month=${month}/day=${date}/job_${run}-${number}.parquet`;
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  return duck.use(async (connection) => {
    await rows(connection, `copy (${query}) to '${whole}' (format parquet, compression snappy)`);
    const [counted] = await rows(connection, `select count(*) as n from (${query})`);
    const bytes = await readFile(whole);
    return {
      dataset,
      path,
      rows: Number(counted!.n),
      bytes: bytes.length,
      checksum: createHash('sha256').update(bytes).digest('hex'),
      columns: (await describe(connection, query)).map(({ name, type }) => ({ name, type })),
      source: { partition: `${day}#${number}`, fingerprint: `${run}-${day}-${number}` },
    };
  });
}

async function writeAt(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

/** Copies files of a local lake, and its manifests, into a bucket. */
export async function upload(store: S3Store, root: string, bucket: string, prefix: string): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    await store.put({ bucket, key: `${prefix}/${relative(root, file)}` }, await readFile(file));
  }
}
