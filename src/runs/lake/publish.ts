import type pg from 'pg';
import { DrayageError } from '../../base/errors.ts';
import type { ControlSchema } from '../../control/db.ts';
import {
  clearPuts,
  decidedFiles,
  decideManifest,
  findLakeRun,
  type LakeRun,
  markPublished,
  notedPuts,
} from '../../control/lake.ts';
import type { Run } from '../../control/runs.ts';
import { LakeCatalog } from '../../lake/catalog.ts';
import { assertNotCompacted, publishManifest } from '../../lake/maintenance.ts';
import { type LakeFile, type Manifest, manifestPath, STAGING_FOLDER } from '../../model/manifest.ts';
import { kyselyOnClient } from '../../postgres/kysely.ts';
import { transaction } from '../../postgres/tx.ts';
import type { Place } from '../../store/place.ts';
import { placeOf } from '../../store/places.ts';
import type { Services } from '../services.ts';
import type { PreparedLake } from './prepare.ts';

/**
 * Ends what a run does to its lake: what its manifest says is decided once, then it is written, last and whole. Doing it
 * again writes the same. Files of attempts that came to nothing are swept.
 * @param failed whether some partition has not succeeded: then nothing is published, and what is there waits for a run
 *   that completes it
 */
export async function publishLake(
  services: Services,
  run: Run,
  prepared: PreparedLake,
  failed: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { db, pool, config } = services;
  const lakeRun = await findLakeRun(db, run.id);
  if (!lakeRun) return;
  const place = placeOf(lakeRun.root, config.root, prepared.s3);
  if (!failed) {
    await transaction(pool, (client) => decide(client, lakeRun, prepared), signal);
    const catalog = new LakeCatalog(lakeRun.root, config.root, prepared.s3);
    await writeManifest(services, run, (await findLakeRun(db, run.id))!, { place, catalog }, signal);
  }
  // Nobody reads what is swept: a store that does not allow it keeps no run from its end.
  await sweep(services, lakeRun, place, signal).catch((error) => {
    if (signal.aborted) throw error;
    services.events.emit('queueError', { error });
  });
}

/** Does away with what attempts have left behind that came to nothing. */
async function sweep({ db }: Services, lakeRun: LakeRun, place: Place, signal: AbortSignal): Promise<void> {
  const puts = await notedPuts(db, lakeRun);
  const strays = puts.flatMap(({ path, entered }) => (entered ? [] : [path]));
  await place.remove([...strays, `${STAGING_FOLDER}/${lakeRun.manifest}`], signal);
  await place.giveUp(
    puts.map(({ path }) => path),
    signal,
  );
  await clearPuts(db, lakeRun.run_id);
}

/** Marks what was published; part of the transaction that ends the run. */
export async function settleLake(client: pg.PoolClient, run: number): Promise<void> {
  await markPublished(kyselyOnClient<ControlSchema>(client), run);
}

async function decide(client: pg.PoolClient, lakeRun: LakeRun, { datasets }: PreparedLake): Promise<void> {
  await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`drayage lake ${lakeRun.lake}`]);
  const replaced = datasets.flatMap(({ dataset, target }) => (target.changed === 'replace' ? [dataset] : []));
  await decideManifest(kyselyOnClient<ControlSchema>(client), lakeRun, replaced);
}

async function writeManifest(
  { db }: Services,
  run: Run,
  lakeRun: LakeRun,
  { place, catalog }: { place: Place; catalog: LakeCatalog },
  signal: AbortSignal,
): Promise<void> {
  const { files, removes } = await decidedFiles(db, run.id);
  // A second run over the same content leaves no trace.
  if (files.length === 0 && removes.length === 0) return;
  await assertNotCompacted(catalog, removes, signal).catch(async (error) => {
    // Whoever has written the manifest may not have come to look.
    if (error.code === 'LAKE_INVALID') await place.remove([manifestPath(lakeRun.manifest)], signal);
    throw error;
  });
  for (const { path, bytes, run_id } of files) {
    if (run_id === run.id || (await place.holds(path, bytes, signal))) continue;
    throw new DrayageError('LAKE_INVALID', 'A file that an earlier run has left for this one is gone', {
      where: { file: `${place.uri}/${path}` },
      hint: 'Run the job with --force, so that everything is written again.',
    });
  }
  const manifest: Manifest = {
    version: 1,
    run: lakeRun.manifest,
    job: run.job,
    published: lakeRun.published_at!.toISOString(),
    files: files.map(({ dataset, path, rows, bytes, checksum, columns, partition_key, fingerprint }) => {
      const source = { partition: partition_key, fingerprint };
      return { dataset, path, rows, bytes, checksum, columns: columns as LakeFile['columns'], source };
    }),
    removes,
  };
  await publishManifest({ catalog, place, signal }, manifest);
}
