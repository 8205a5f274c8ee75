import { randomUUID } from 'node:crypto';
import { DrayageError } from '../base/errors.ts';
import { pause } from '../base/lifecycle.ts';
import { formatManifest, type LakeFile, liveFiles, type Manifest, manifestPath } from '../model/manifest.ts';
import type { Place } from '../store/place.ts';
import type { LakeCatalog } from './catalog.ts';

/** What changes a lake without carrying anything into it. */
export interface Change {
  action: 'compact' | 'expire';
  files: readonly LakeFile[];
  removes: readonly string[];
}

export interface Maintenance {
  catalog: LakeCatalog;
  place: Place;
  /** How long files stay that queries under way may still read. */
  graceSeconds: number;
  signal: AbortSignal;
}

/** An interruption does not keep a manifest from being taken back. */
const TAKE_BACK_MS = 10_000;

/** What the manifest has where a run has its job's name; no job can be called so. */
const jobOf = (action: Change['action']) => `dray lake ${action}`;

/**
 * Publishes a change by one manifest.
 * @throws LAKE_CHANGED when a run has removed something of it meanwhile: what was made of that may not be published
 */
export async function publishChange(maintenance: Maintenance, change: Change): Promise<void> {
  const { catalog, place, signal } = maintenance;
  const now = new Date();
  const run = `${now.toISOString().replace(/[-:.]/g, '')}-${change.action}-${randomUUID().slice(0, 8)}`;
  const { action, files, removes } = change;
  const live = new Set((await catalog.read(signal)).files.map(({ path }) => path));
  const gone = removes.find((path) => !live.has(path));
  if (gone !== undefined) throw changed(`${place.uri}/${gone}`);
  const manifest = { version: 1 as const, run, job: jobOf(action), published: now.toISOString(), files, removes };
  await publishManifest(maintenance, manifest);
}

/**
 * Writes a manifest, and looks then whether a compaction and somebody else have removed the same file at the same moment:
 * its rows would live on in the compacted one. Since both write before they look, one of them finds the other at least,
 * and takes its own manifest back.
 * @throws LAKE_CHANGED
 */
export async function publishManifest(
  { catalog, place, signal }: Pick<Maintenance, 'catalog' | 'place' | 'signal'>,
  manifest: Manifest,
): Promise<void> {
  const path = manifestPath(manifest.run);
  const takeBack = () => place.remove([path], AbortSignal.timeout(TAKE_BACK_MS));
  await place.write(path, formatManifest(manifest), signal);
  if (manifest.removes.length === 0) return;
  const crossed = await removedTwice(catalog, manifest, signal).catch(async (error) => {
    await takeBack();
    throw error;
  });
  if (crossed === undefined) return;
  await takeBack();
  throw changed(`${place.uri}/${crossed}`);
}

/** A file that a compaction and somebody else have removed, one of them by this manifest. */
async function removedTwice(catalog: LakeCatalog, manifest: Manifest, signal: AbortSignal) {
  const { manifests } = await catalog.read(signal);
  const others = manifests.filter(({ run }) => run !== manifest.run);
  const rivals = isCompaction(manifest) ? others : others.filter(isCompaction);
  const removed = new Set(rivals.flatMap(({ removes }) => removes));
  return manifest.removes.find((one) => removed.has(one));
}

const isCompaction = ({ job }: Manifest) => job === jobOf('compact');

function changed(file: string): DrayageError {
  return new DrayageError('LAKE_CHANGED', 'The lake has changed while this was made ready, and nothing was published', {
    where: { file },
    hint: 'Try again when no run and nobody else is changing these files.',
  });
}

async function removedFiles({ catalog, graceSeconds, signal }: Maintenance): Promise<string[]> {
  const { manifests } = await catalog.read(signal);
  const live = new Set(liveFiles(manifests).map(({ path }) => path));
  const old = manifests.filter(({ published }) => Date.parse(published) <= Date.now() - graceSeconds * 1000);
  return old.flatMap(({ removes }) => removes).filter((path) => !live.has(path));
}

/**
 * Deletes what this change has removed, after the grace, and what earlier ones have left.
 * @returns whether it came to that; an interruption leaves the files for the next time, and nothing else
 */
export async function deleteAfterGrace(maintenance: Maintenance): Promise<boolean> {
  const { graceSeconds, signal } = maintenance;
  await pause(graceSeconds * 1000, signal);
  if (signal.aborted) return false;
  await deleteRemoved(maintenance);
  return true;
}

/** Deletes files that were removed longer ago than the grace. */
export async function deleteRemoved(maintenance: Maintenance): Promise<void> {
  await maintenance.place.remove(await removedFiles(maintenance), maintenance.signal);
}

/**
 * A run that replaces content removes the files that held it; a file that was compacted is gone, and its rows are in
 * another one, where they would count beside the new ones.
 * @throws LAKE_INVALID
 */
export async function assertNotCompacted(
  catalog: LakeCatalog,
  removes: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (removes.length === 0) return;
  const manifests = await catalog.manifests(signal);
  const compacted = new Set(manifests.filter(isCompaction).flatMap((one) => one.removes));
  const path = removes.find((one) => compacted.has(one));
  if (path === undefined) return;
  throw new DrayageError(
    'LAKE_INVALID',
    'The run replaces a file that was compacted: its rows are in another file now',
    {
      where: { file: catalog.pathOf(path) },
      hint: 'Remove the days that it replaces with "dray lake expire", and run the job with --force; or leave the old content.',
    },
  );
}
