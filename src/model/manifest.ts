import { DrayageError } from '../base/errors.ts';

/** A column of a file, with the type that DuckDB reads it as. */
export interface LakeColumn {
  name: string;
  type: string;
}

/** A Parquet file of a lake. */
export interface LakeFile {
  dataset: string;
  /** Relative to the lake's root, with forward slashes. */
  path: string;
  rows: number;
  bytes: number;
  /** SHA-256 of the file's bytes, 64 hexadecimal digits. */
  checksum: string;
  columns: readonly LakeColumn[];
  /** The partition that it came from, and the fingerprint of its content. */
  source: { partition: string; fingerprint: string };
}

/**
 * What one run has done to a lake. The lake holds the files of all manifests without those that any of them removes;
 * nothing else in its folders counts.
 */
export interface Manifest {
  version: 1;
  /** Names the manifest: unique in the lake, also among several databases that publish into it. */
  run: string;
  job: string;
  /** When, in ISO form. */
  published: string;
  files: readonly LakeFile[];
  /** Paths of files that are no longer part of the lake. */
  removes: readonly string[];
}

/** Where manifests lie below the root; every `.json` in it is one. */
export const MANIFEST_FOLDER = '_manifest';
/** Where files lie below the root of a local lake until they are whole. */
export const STAGING_FOLDER = '_staging';

/** How a run may be called: it becomes the name of a file. */
const RUN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** A dataset is a folder, and a table of queries. */
const DATASET = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;
const CHECKSUM = /^[0-9a-f]{64}$/;

export const isDataset = (name: string): boolean => DATASET.test(name);

export function manifestPath(run: string): string {
  return `${MANIFEST_FOLDER}/${run}.json`;
}

/** As JSON with a line for each file, so that people can look into it. */
export function formatManifest(manifest: Manifest): string {
  const { files, removes, ...head } = manifest;
  const members = Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const list = (items: readonly unknown[]) =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`;
  return `{\n${[...members, `  "files": ${list(files)}`, `  "removes": ${list(removes)}`].join(',\n')}\n}\n`;
}

/**
 * @param file where it was found, for messages
 * @throws LAKE_INVALID for anything that is no manifest of this version
 */
export function parseManifest(text: string, file: string): Manifest {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, `it is no JSON: ${(cause as Error).message}`, cause);
  }
  const check = new Check(file);
  const manifest = check.object(given, 'it');
  if (manifest.version !== 1) {
    throw new DrayageError('LAKE_INVALID', `The manifest is of version ${JSON.stringify(manifest.version)}, not 1`, {
      where: { file },
      hint: 'It was written by another version of Drayage; use that one, or a later one.',
    });
  }
  check.that(RUN.test(check.text(manifest.run, 'run')), 'run', 'is no name');
  check.text(manifest.job, 'job');
  check.that(!Number.isNaN(Date.parse(check.text(manifest.published, 'published'))), 'published', 'is no moment');
  for (const [index, one] of check.list(manifest.files, 'files').entries()) checkFile(check, one, `files[${index}]`);
  for (const [index, path] of check.list(manifest.removes, 'removes').entries()) check.path(path, `removes[${index}]`);
  return manifest as unknown as Manifest;
}

/** What a lake holds: the files of all its manifests, without those that were removed, in the order of their paths. */
export function liveFiles(manifests: Iterable<Manifest>): LakeFile[] {
  const live = new Map<string, LakeFile>();
  const removed = new Set<string>();
  for (const { files, removes } of manifests) {
    for (const file of files) live.set(file.path, file);
    for (const path of removes) removed.add(path);
  }
  return [...live.values()]
    .filter(({ path }) => !removed.has(path))
    .sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
}

function checkFile(check: Check, given: unknown, at: string): void {
  const file = check.object(given, at);
  check.that(isDataset(check.text(file.dataset, `${at}.dataset`)), `${at}.dataset`, 'is no name of a dataset');
  check.path(file.path, `${at}.path`);
  for (const field of ['rows', 'bytes']) {
    const count = file[field];
    check.that(Number.isSafeInteger(count) && (count as number) >= 0, `${at}.${field}`, 'is no count');
  }
  check.that(CHECKSUM.test(check.text(file.checksum, `${at}.checksum`)), `${at}.checksum`, 'is no SHA-256');
  const names = new Set<string>();
  for (const [index, one] of check.list(file.columns, `${at}.columns`).entries()) {
    const column = check.object(one, `${at}.columns[${index}]`);
    names.add(check.text(column.name, `${at}.columns[${index}].name`));
    check.text(column.type, `${at}.columns[${index}].type`);
    check.that(names.size === index + 1, `${at}.columns`, `has "${column.name}" twice`);
  }
  const source = check.object(file.source, `${at}.source`);
  check.text(source.partition, `${at}.source.partition`);
  check.text(source.fingerprint, `${at}.source.fingerprint`);
}

/** Says what of a manifest is not as it should be. */
class Check {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  that(holds: boolean, field: string, problem: string): void {
    if (!holds) throw damaged(this.#file, `${field} ${problem}`);
  }

  object(given: unknown, field: string): Record<string, unknown> {
    this.that(typeof given === 'object' && given !== null && !Array.isArray(given), field, 'is no object');
    return given as Record<string, unknown>;
  }

  list(given: unknown, field: string): unknown[] {
    this.that(Array.isArray(given), field, 'is no list');
    return given as unknown[];
  }

  text(given: unknown, field: string): string {
    this.that(typeof given === 'string' && given !== '', field, 'is no text');
    return given as string;
  }

  /** Below the root, and nowhere else: a manifest may come from somebody else. */
  path(given: unknown, field: string): void {
    const parts = this.text(given, field).split('/');
    const safe = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0]/.test(part));
    this.that(safe && parts.length > 1 && !/^_|^[A-Za-z]:/.test(parts[0]!), field, 'does not lie in a dataset');
  }
}

function damaged(file: string, problem: string, cause?: unknown): DrayageError {
  return new DrayageError('LAKE_INVALID', `The manifest cannot be used: ${problem}`, {
    where: { file },
    hint: 'Manifests are written whole and never changed: restore it from a copy of the lake.',
    ...(cause === undefined ? {} : { cause }),
  });
}
