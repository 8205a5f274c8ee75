import { createHash } from 'node:crypto';
import { DrayageError } from '../base/errors.ts';
import { type LakeFile, MANIFEST_FOLDER, STAGING_FOLDER } from '../model/manifest.ts';
import type { StoredFile } from '../store/stored.ts';
import type { LakeCatalog } from './catalog.ts';

export interface LakeVerdict {
  ok: boolean;
  files: number;
  rows: number;
  bytes: number;
  /** Files of the manifests that are not there, or not what was published. */
  faults: { path: string; problem: string }[];
  /** Files that no manifest names: of a run under way, of one that failed, or removed and not deleted yet. */
  orphans: { path: string; bytes: number; removed: boolean }[];
}

const READS_AT_ONCE = 4;

/**
 * Holds every file of the manifests against what is there, to the last byte, and names what is there besides.
 * @param onFile told after each file
 */
export async function verifyLake(
  catalog: LakeCatalog,
  signal: AbortSignal,
  onFile: (done: number, files: number) => void,
): Promise<LakeVerdict> {
  const { files, manifests } = await catalog.read(signal);
  const faults: LakeVerdict['faults'] = [];
  const waiting = [...files];
  let done = 0;
  const checkNext = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      signal.throwIfAborted();
      const problem = await problemOf(catalog, file, signal);
      if (problem) faults.push({ path: file.path, problem });
      onFile(++done, files.length);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, checkNext));
  const live = new Set(files.map(({ path }) => path));
  const removed = new Set(manifests.flatMap(({ removes }) => removes));
  const orphans: LakeVerdict['orphans'] = [];
  for await (const { path, size } of dataFiles(catalog, signal)) {
    if (!live.has(path)) orphans.push({ path, bytes: size, removed: removed.has(path) });
  }
  const sum = (count: (file: LakeFile) => number) => files.reduce((total, file) => total + count(file), 0);
  return {
    ok: faults.length === 0,
    files: files.length,
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
    faults: faults.sort((a, b) => (a.path < b.path ? -1 : 1)),
    orphans,
  };
}

async function problemOf(catalog: LakeCatalog, file: LakeFile, signal: AbortSignal): Promise<string | undefined> {
  try {
    const found = await catalog.store.look(catalog.pathOf(file.path));
    if (found.size !== file.bytes) return `it has ${found.size} bytes, and ${file.bytes} were published`;
    const hash = createHash('sha256');
    for await (const piece of catalog.store.read(found, { start: 0, end: found.size }, signal)) hash.update(piece);
    return hash.digest('hex') === file.checksum ? undefined : 'it holds other bytes than were published';
  } catch (error) {
    if (!(error instanceof DrayageError)) throw error;
    if (error.code === 'SOURCE_MISSING') return 'it is not there';
    if (error.code === 'SOURCE_UNREADABLE' || error.code === 'SOURCE_CHANGED') return error.message;
    throw error;
  }
}

/** What lies in the folders of datasets, by paths relative to the root. */
export async function* dataFiles(catalog: LakeCatalog, signal: AbortSignal): AsyncGenerator<StoredFile> {
  const { root, store } = catalog;
  const below = `${root}/`;
  for await (const { path, size, version } of store.find(below, { wanted: () => true, signal })) {
    const relative = path.startsWith(below) ? path.slice(below.length) : path.slice(root.length);
    const inDataset = relative.includes('/') && ![MANIFEST_FOLDER, STAGING_FOLDER].includes(relative.split('/')[0]!);
    if (inDataset) yield { path: relative, size, version };
  }
}
