import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DrayageError } from '../base/errors.ts';
import type { Duck } from '../duckdb/instance.ts';
import { rows } from '../duckdb/scan.ts';
import { quoteLiteral, quotePath } from '../duckdb/types.ts';
import type { LakeFile } from '../model/manifest.ts';
import { sha256Of } from '../store/pieces.ts';
import type { Held, Spool } from '../store/spool.ts';
import type { LakeState } from './catalog.ts';
import type { Maintenance } from './maintenance.ts';
import { folderOf } from './overview.ts';

/** Files that become one. */
export type Heap = readonly LakeFile[];

/** Cells of a row group: what is read at a time, whatever the number of columns. */
const GROUP_CELLS = 4_000_000;
const GROUP_ROWS = { least: 2_048, most: 122_880 };

/**
 * Which small files become one: of the same folder and the same columns, in the order of their paths, up to about
 * `targetBytes` together.
 */
export function heapsOf({ files }: LakeState, targetBytes: number, dataset?: string): Heap[] {
  const small = files.filter(
    (file) => file.bytes < targetBytes / 2 && (dataset === undefined || file.dataset === dataset),
  );
  const alike = Map.groupBy(small, ({ path, columns }) => `${folderOf(path)}\n${JSON.stringify(columns)}`);
  return [...alike.values()].flatMap((group) => cut(group, targetBytes)).filter((heap) => heap.length > 1);
}

function cut(files: Heap, targetBytes: number): Heap[] {
  const heaps: LakeFile[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (bytes + file.bytes > targetBytes) {
      heaps.push([]);
      bytes = 0;
    }
    heaps.at(-1)!.push(file);
    bytes += file.bytes;
  }
  return heaps;
}

/**
 * Makes one file of a heap and puts it into the lake, where it does not count yet.
 * @throws LAKE_INVALID when it does not hold the very rows of the others
 */
export async function compactHeap(
  { catalog, place, signal }: Maintenance,
  heap: Heap,
  { duck, spool }: { duck: Duck; spool: Spool },
): Promise<LakeFile> {
  const held = await spool.hold(0, signal);
  try {
    const sources: string[] = [];
    for (const [index, file] of heap.entries()) {
      const path = catalog.pathOf(file.path);
      const found = await catalog.store.look(path);
      const here = catalog.store.localPath(found);
      const copy = join(held.folder, `${index}.parquet`);
      if (here === undefined) {
        held.grow(found.size);
        await pipeline(catalog.store.read(found, { start: 0, end: found.size }, signal), createWriteStream(copy));
      }
      sources.push(here ?? copy);
    }
    const made = await madeFile(place.staging, held);
    try {
      const count = heap.reduce((sum, file) => sum + file.rows, 0);
      await mergeFiles(duck, sources, made, heap[0]!.columns.length, count);
      const { size } = await stat(made);
      const checksum = await sha256Of(made);
      const [first] = heap as [LakeFile];
      // Never one that was there before: what a manifest has once removed does not count again, though it be the same.
      const path = `${folderOf(first.path)}/job_compact-${randomUUID().replaceAll('-', '').slice(0, 16)}.parquet`;
      const source = {
        partition: `${heap.length} files of ${folderOf(first.path)}`,
        fingerprint: `sha256:${checksum}`,
      };
      await place.put(made, path, signal);
      return { dataset: first.dataset, path, rows: count, bytes: size, checksum, columns: first.columns, source };
    } finally {
      await rm(made, { force: true });
    }
  } finally {
    await held.release();
  }
}

async function madeFile(staging: string | undefined, held: Held): Promise<string> {
  if (staging === undefined) return join(held.folder, 'made.parquet');
  await mkdir(staging, { recursive: true });
  return join(staging, `compact-${held.folder.split('/').at(-1)}.parquet`);
}

/** Writes all rows into one file, and reads them again. */
async function mergeFiles(
  duck: Duck,
  sources: readonly string[],
  made: string,
  columns: number,
  count: number,
): Promise<void> {
  const list = sources.map(quotePath).join(', ');
  const read = (paths: string) => `read_parquet([${paths}], hive_partitioning = false, union_by_name = false)`;
  const group = Math.min(GROUP_ROWS.most, Math.max(GROUP_ROWS.least, Math.floor(GROUP_CELLS / columns)));
  const options = `format parquet, compression snappy, row_group_size ${group}`;
  await duck.use(async (connection) => {
    await rows(connection, `copy (select * from ${read(list)}) to ${quoteLiteral(made)} (${options})`);
    const digest = (paths: string) =>
      rows(connection, `select count(*) as n, sum(hash(r))::varchar as sum from ${read(paths)} r`);
    const [[before], [after]] = [await digest(list), await digest(quotePath(made))];
    if (Number(before!.n) === count && before!.n === after!.n && before!.sum === after!.sum) return;
    throw new DrayageError('LAKE_INVALID', 'The compacted file does not hold the rows of those that it was made of', {
      where: { file: sources[0]! },
      hint: 'Nothing was published, and nothing removed; please report this.',
    });
  });
}
