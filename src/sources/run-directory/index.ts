import { readdir, realpath } from 'node:fs/promises';
import { join, matchesGlob, resolve } from 'node:path';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { PartitionPlan, Source } from '../../model/source.ts';
import { type RunDirectory, type RunFileFormat, readDirectory } from './directory.ts';
import { inOrder } from './in-order.ts';
import { type ListedFile, listFiles, stateOf, unreadable } from './listing.ts';

export interface RunDirectoriesOptions {
  /** The folder whose folders are the runs; relative to the project root. */
  path: string;
  /** Only the run of this name. */
  only?: string;
  /**
   * What is read, by globs over the paths inside of a run, and how; the first that matches counts. What matches none is
   * not read, and may change as it likes. Default: `**\/*.json` as json, `**\/*.md` as markdown.
   */
  read?: Readonly<Record<string, RunFileFormat>>;
  /** Globs of parts that a run should have; one that it lacks is among its warnings. */
  expect?: readonly string[];
  /** What is said about every run from outside, such as its owner; part of what identifies its content. */
  given?: Readonly<Record<string, string>>;
}

const READ: Readonly<Record<string, RunFileFormat>> = { '**/*.json': 'json', '**/*.md': 'markdown' };

/** Directories that are listed at the same time. */
const AHEAD = 16;

/**
 * Directories of runs: each is a partition, and gives one record. Names, sizes and times of its files identify what is
 * in it, so that a changed file loads that run anew, and no other. Links that lead out of the folder are refused.
 */
export function runDirectories(options: RunDirectoriesOptions): Source<RunDirectory> {
  const { path, only, read = READ, expect = [], given = {} } = options;
  const formats = Object.entries(read);
  const formatOf = (file: string) => formats.find(([pattern]) => matchesGlob(file, pattern))?.[1];
  const list = (root: string, name: string) => listFiles(root, join(root, name), (file) => !!formatOf(file));
  const listPlanned = async (projectRoot: string, { name, state }: PartitionPlan['spec']): Promise<ListedFile[]> => {
    const files = (await list(await findRoot(path, projectRoot), String(name))) ?? [];
    if (stateOf(files) === state) return files;
    throw new DrayageError('SOURCE_CHANGED', 'A file of the run changed after it was planned', {
      where: { file: `${path}/${name}` },
      hint: 'Enqueue the job again: what is loaded already is left alone, and the new content is planned.',
    });
  };
  return {
    description: only === undefined ? `runs in ${path}` : `run ${only} in ${path}`,
    async *enumerate({ root: projectRoot, signal }) {
      const root = await findRoot(path, projectRoot);
      const names = await runNames(root, path, only);
      const planned = inOrder(names, AHEAD, (name) => plan(`${path}/${name}`, name, given, () => list(root, name)));
      for await (const partition of planned) {
        signal.throwIfAborted();
        if (partition) yield partition;
      }
    },
    async open({ spec }, { root: projectRoot, signal }) {
      const listed = await listPlanned(projectRoot, spec);
      return {
        async *records() {
          const { directory, faults } = await readDirectory(String(spec.name), listed, {
            given,
            formatOf,
            expect,
            signal,
          });
          yield { row: 1, value: directory, raw: () => JSON.stringify(directory) };
          yield* faults;
        },
        assertUnchanged: async () => void (await listPlanned(projectRoot, spec)),
        close: async () => undefined,
      };
    },
  };
}

/** @returns undefined for what is no directory */
async function plan(
  key: string,
  name: string,
  given: Readonly<Record<string, string>>,
  list: () => Promise<ListedFile[] | undefined>,
): Promise<PartitionPlan | undefined> {
  const about = { key, rows: null, file: key, shape: '' };
  try {
    const files = await list();
    if (!files) return undefined;
    const state = stateOf(files);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return { ...about, fingerprint: digest(key, state, JSON.stringify(given)), bytes, spec: { name, state } };
  } catch (error) {
    if (!(error instanceof DrayageError)) throw error;
    return { ...about, fingerprint: digest(key), bytes: null, spec: { name, state: '' }, problem: error };
  }
}

/** Free of links. @throws SOURCE_MISSING, SOURCE_UNREADABLE */
async function findRoot(path: string, projectRoot: string): Promise<string> {
  return realpath(resolve(projectRoot, path)).catch((cause) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw unreadable(path, cause);
    throw new DrayageError('SOURCE_MISSING', `There is no folder ${path}: ${cause.message}`, {
      hint: `Relative paths start at ${projectRoot}. Check the path, or give another one with --param.`,
      cause,
    });
  });
}

/**
 * Sorted, so that the order is the same everywhere. Names are all that is held of directories to come: 100,000 of them
 * take about 10 MB.
 */
async function runNames(root: string, path: string, only: string | undefined): Promise<string[]> {
  const names = await readdir(root).catch((cause) => {
    if (cause.code !== 'ENOTDIR') throw unreadable(path, cause);
    throw new DrayageError('SOURCE_MISSING', `${path} is no folder`, {
      hint: 'Give the folder that holds the folders of the runs.',
      cause,
    });
  });
  if (only === undefined) return names.filter((name) => !name.startsWith('.')).sort();
  if (names.includes(only)) return [only];
  throw new DrayageError('SOURCE_MISSING', `There is no run "${only}" in ${path}.${didYouMean(only, names)}`, {
    hint: `Give the name of a folder in ${path}.`,
  });
}
