import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import { sweepAll } from '../../base/memory.ts';
import type { Claimed } from '../../control/claims.ts';
import type { ControlDb, ControlSchema } from '../../control/db.ts';
import { type EnteredFile, enterFiles, keepDataset, type LakeRun, lockDataset, notePuts } from '../../control/lake.ts';
import { mergeColumns, type StoredColumn, storedColumns } from '../../lake/columns.ts';
import { dateFolder } from '../../lake/dates.ts';
import { type TextRows, textColumns, textLines, textQuery } from '../../lake/texts.ts';
import {
  neededMb,
  type RejectedRow,
  rejectedRows,
  type WriteRequest,
  type Written,
  type WrittenFile,
  writeParquet,
} from '../../lake/write.ts';
import type { Route } from '../../model/route.ts';
import type { KeepRejects, LoadCounts, OnProgress, Reject, Warning } from '../../model/sink.ts';
import type { Source, SourceContext, Unchecked } from '../../model/source.ts';
import { Checksum } from '../../postgres/checksum.ts';
import { kyselyOnClient } from '../../postgres/kysely.ts';
import { sha256Of } from '../../store/pieces.ts';
import type { Place } from '../../store/place.ts';
import type { PartitionOutcome } from '../commit.ts';
import { keepFaults, NOTHING, planOf } from '../load.ts';
import { type Opened, withPartition } from '../read.ts';
import type { Reading } from '../reading.ts';
import type { Pace } from '../worker/pace.ts';
import type { PreparedDataset, PreparedLake } from './prepare.ts';
import { recordRoutes } from './records.ts';

/** Rejects held in memory before they are written down. */
const REJECTS_HELD = 1000;

export interface LakeLoad {
  client: pg.PoolClient;
  /** Outside of the transaction. */
  db: ControlDb;
  run: LakeRun;
  place: Place;
  lake: PreparedLake;
  source: Source;
  partition: Claimed;
  context: SourceContext;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
  pace: Pace;
}

/**
 * Reads a partition and puts what it gives for each dataset into the lake. The files have names that no other run and no
 * other content has, so that whoever puts one twice puts the same; until a manifest names them they do not count.
 */
export async function loadIntoLake(load: LakeLoad): Promise<PartitionOutcome> {
  const { context, place, run, partition, source } = load;
  const total = new Total();
  const held = await context.disk.hold(0, context.signal);
  // In the lake itself where that is a folder, so that files need only be moved.
  const parent = place.staging === undefined ? held.folder : join(place.staging, run.manifest);
  try {
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(join(parent, `p${partition.id}-a${partition.attempt}-`));
    try {
      await withPartition(source, planOf(partition), context, (opened) => fill(load, opened, folder, total));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    await held.release();
  }
  return { ...total.counts, checksum: total.checksum.toString(), coercions: new Map(), warnings: total.warnings };
}

class Total {
  readonly counts = { ...NOTHING };
  readonly checksum = new Checksum();
  readonly warnings: Warning[] = [];

  add(counts: Partial<LoadCounts>): void {
    for (const name of Object.keys(counts) as (keyof LoadCounts)[]) this.counts[name] += counts[name]!;
  }
}

async function fill(load: LakeLoad, opened: Opened, folder: string, total: Total): Promise<void> {
  const { client, lake, run, partition, keepRejects, onProgress, pace, context } = load;
  const routes = await recordRoutes(client, lake);
  const spooled = routes && (await opened.spool({ routes, keepRejects, onProgress }));
  if (spooled) {
    total.add(spooled.counts);
    total.warnings.push(...spooled.warnings);
  }
  const entered: EnteredFile[] = [];
  const columns = new Map<string, readonly StoredColumn[]>();
  for (const [index, prepared] of lake.datasets.entries()) {
    const at = join(folder, String(index));
    const route = routes?.[index];
    const written = await writtenFrom(load, prepared, opened, route, at);
    total.add(written.counts);
    columns.set(prepared.dataset, written.columns);
    onProgress(total.counts.read);
    // DuckDB writes at one go; the rows of the next file wait for those of this one.
    await pace.hold(written.counts.written ?? 0, context.signal);
    entered.push(...(await putFiles(load, prepared, written.columns, written.files)));
  }
  total.add(await keepFaults(opened, keepRejects));
  await opened.assertUnchanged();
  total.warnings.push(...opened.warnings());
  for (const { checksum } of entered) total.checksum.addSum(checksum.slice(0, 16));
  const tx = kyselyOnClient<ControlSchema>(client);
  await keepColumns(tx, run.lake, entered, columns);
  await enterFiles(tx, run, partition, entered);
}

interface Filled {
  files: WrittenFile[];
  columns: readonly StoredColumn[];
  counts: Partial<LoadCounts>;
}

async function writtenFrom(
  load: LakeLoad,
  prepared: PreparedDataset,
  opened: Opened,
  route: Route | undefined,
  folder: string,
): Promise<Filled> {
  if (route) return fromBatches(load, prepared, await opened.reading(route), folder);
  const { transform } = prepared;
  if (transform?.kind === 'batches') return fromBatches(load, prepared, await opened.mapped(transform), folder);
  return fromRelation(load, prepared, opened, folder);
}

async function fromRelation(
  load: LakeLoad,
  { dataset, target, transform }: PreparedDataset,
  opened: Opened,
  folder: string,
): Promise<Filled> {
  const { connection, columns: given, query, numbered, prepare } = await opened.query(transform);
  const columns = storedColumns(given, target, dataset);
  const { signal } = load.context;
  const request = { connection, dataset, target, query, columns, numbered, folder, signal };
  const unchecked = transform ? undefined : await opened.unchecked?.();
  const filled = unchecked && (await writtenAtOnce(load, request, unchecked));
  if (filled) return filled;
  await prepare(query);
  return written(load, request);
}

/** What went wrong with the reading, and may not go wrong once the content has been looked at. */
const DOUBTFUL = ['TRANSFORM_FAILED', 'SOURCE_UNREADABLE'];

/** @returns undefined when it has come to nothing */
async function writtenAtOnce(load: LakeLoad, request: WriteRequest, unchecked: Unchecked): Promise<Filled | undefined> {
  const { doubt, sure } = unchecked;
  const signal = AbortSignal.any([request.signal, doubt]);
  const found = await write(load, { ...request, signal, inOrder: true }).catch((error) => {
    const doubtful = error instanceof DrayageError && DOUBTFUL.includes(error.code);
    if (doubtful || (doubt.aborted && !request.signal.aborted)) return undefined;
    throw error;
  });
  if (found && (await sure(found.files.reduce((sum, { rows }) => sum + rows, found.rejected)))) {
    return kept(load, request, found);
  }
  await rm(request.folder, { recursive: true, force: true });
  return undefined;
}

/** What functions give, by way of a text file: the one thing that DuckDB takes from outside and need not hold in memory. */
async function fromBatches(
  load: LakeLoad,
  { dataset, target }: PreparedDataset,
  reading: Reading,
  folder: string,
): Promise<Filled> {
  const { signal, duck } = load.context;
  const rows: TextRows = { schema: reading.schema, longest: 0 };
  const file = `${folder}.csv`;
  const lines = async function* () {
    for await (const { batch, rowNumber } of reading.batches(false)) yield* textLines(batch, rowNumber, rows);
  };
  await pipeline(Readable.from(lines()), createWriteStream(file), { signal });
  return duck.use(async (connection) => {
    const query = textQuery(file, rows);
    const columns = storedColumns(textColumns(reading.schema), target, dataset);
    return written(load, {
      connection,
      dataset,
      target,
      query,
      columns,
      numbered: true,
      inOrder: true,
      folder,
      signal,
    });
  });
}

async function written(load: LakeLoad, request: WriteRequest): Promise<Filled> {
  return kept(load, request, await write(load, request));
}

async function write(load: LakeLoad, request: WriteRequest): Promise<Written> {
  const needed = neededMb(request.columns);
  // What the source needed so far to give so many columns makes room for what DuckDB needs.
  if (needed > 0) sweepAll(0);
  const { duck } = load.context;
  await duck.reserve(request.connection, needed);
  return needed > 0
    ? writeParquet({ ...request, letGo: () => duck.letGo() })
    : duck.keepingMemory(() => writeParquet(request));
}

/** What was written, and what was left out among the rejects. */
async function kept(load: LakeLoad, request: WriteRequest, { files, rejected }: Written): Promise<Filled> {
  if (rejected > 0) await keepRejected(load, request, rejected);
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  return { files, columns: request.columns, counts: { read: rows + rejected, written: rows, rejected } };
}

async function keepRejected({ keepRejects }: LakeLoad, request: WriteRequest, total: number): Promise<void> {
  let held: Reject[] = [];
  let kept = 0;
  for await (const rejected of rejectedRows(request)) {
    held.push(asReject(rejected, request));
    kept++;
    if (held.length < REJECTS_HELD) continue;
    await keepRejects(held, kept);
    held = [];
  }
  if (held.length > 0) await keepRejects(held, kept);
  if (kept === total) return;
  throw new DrayageError('ROWS_UNACCOUNTED', `${total} rows were left out, and ${kept} when they were read again`);
}

function asReject({ row, column, date, raw }: RejectedRow, { dataset, target, columns }: WriteRequest): Reject {
  const { from, type } = columns.find(({ name }) => name === column)!;
  const [reason, message] = date
    ? [
        'bad_date',
        `is no date of the years 1 to 9999, and the rows of a file lie in the folder of their ${target.layout}`,
      ]
    : ['does_not_fit', `holds ${from}, and ${type} does not hold it as it is`];
  return { table: dataset, row, column, reason: reason!, message: message!, raw };
}

/** Puts files in their places. */
async function putFiles(
  { db, run, place, partition, context }: LakeLoad,
  { dataset, target }: PreparedDataset,
  columns: readonly StoredColumn[],
  files: readonly WrittenFile[],
): Promise<EnteredFile[]> {
  const found: (EnteredFile & { file: string })[] = [];
  for (const { file, rows, date } of files) {
    const { size: bytes } = await stat(file);
    const checksum = await sha256Of(file, context.signal);
    const id = digest(run.manifest, partition.fingerprint, dataset, date ?? '', checksum).slice(0, 16);
    const path = `${dataset}/${dateFolder(date, target.layout)}job_${run.run_id}-${id}.parquet`;
    const list = columns.map(({ name, type }) => ({ name, type }));
    found.push({ dataset, path, rows, bytes, checksum, columns: list, file });
  }
  const paths = found.map(({ path }) => path);
  if (paths.length > 0) await notePuts(db, run.run_id, paths);
  for (const { file, path } of found) await place.put(file, path, context.signal);
  return found.map(({ file: _, ...entered }) => entered);
}

/** Agrees with all others that fill the same datasets on their columns. @throws TARGET_INVALID */
async function keepColumns(
  tx: ControlDb,
  lake: string,
  entered: readonly EnteredFile[],
  columns: ReadonlyMap<string, readonly StoredColumn[]>,
): Promise<void> {
  // In one order, so that nobody waits for somebody who waits for him.
  for (const dataset of [...new Set(entered.map((file) => file.dataset))].sort()) {
    const known = await lockDataset(tx, lake, dataset);
    const merged = mergeColumns(dataset, known, columns.get(dataset)!);
    if (merged.length > known.length) await keepDataset(tx, lake, dataset, merged);
  }
}
