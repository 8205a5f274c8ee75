import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import { Near } from './near.ts';

const WITH_TYPES = { withFileTypes: true } as const;
const EXACT = { bigint: true } as const;
const entries = new Near(
  (folder: string) => readdirSync(folder, WITH_TYPES),
  (folder: string) => readdir(folder, WITH_TYPES),
);
const states = new Near(
  (path: string) => statSync(path, EXACT),
  (path: string) => stat(path, EXACT),
);
const places = new Near(
  (path: string) => realpathSync.native(path),
  (path: string) => realpath(path),
);

/** A file of a run's directory, as it was found. */
export interface ListedFile {
  /** Relative to the directory, with forward slashes. */
  path: string;
  absolute: string;
  bytes: number;
  /** Nanoseconds since 1970. */
  modifiedNs: bigint;
}

/**
 * The files of a directory that are wanted, in the order of their paths.
 * @param root what no link may lead out of; free of links itself
 * @returns undefined when it is no directory
 * @throws SOURCE_INVALID for a link that leaves the root or runs in a circle, SOURCE_UNREADABLE for what may not be read
 */
export async function listFiles(
  root: string,
  directory: string,
  isWanted: (path: string) => boolean,
): Promise<ListedFile[] | undefined> {
  /** @param above the folders, free of links, that it lies in */
  const visit = async (folder: string, prefix: string, above: readonly string[]): Promise<ListedFile[]> => {
    if (above.some((other) => isWithin(other, folder))) throw invalid(directory, 'has links that run in a circle');
    const look = async (entry: Dirent): Promise<ListedFile[]> => {
      const path = prefix + entry.name;
      const absolute = entry.isSymbolicLink() ? await follow(root, join(folder, entry.name)) : join(folder, entry.name);
      const wanted = isWanted(path);
      const found = entry.isSymbolicLink() || wanted ? await statOf(absolute) : undefined;
      if (found ? found.isDirectory() : entry.isDirectory()) return visit(absolute, `${path}/`, [...above, folder]);
      if (!wanted || !found!.isFile()) return [];
      return [{ path, absolute, bytes: Number(found!.size), modifiedNs: found!.mtimeNs }];
    };
    // All at once: each is a matter of waiting, and with tiny files waiting is what takes the time.
    return (await Promise.all((await entriesOf(folder)).map(look))).flat();
  };
  const start = await follow(root, directory);
  if (!(await statOf(start)).isDirectory()) return undefined;
  return visit(start, '', []);
}

/** Identity of what was listed. Contents are not read: a file that changes has another time or another size. */
export function stateOf(files: readonly ListedFile[]): string {
  return digest(...files.map(({ path, bytes, modifiedNs }) => `${path}\0${bytes}\0${modifiedNs}`));
}

/** In the order of their names. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  const found = await entries.ask(folder).catch((error) => {
    throw unreadable(folder, error);
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function statOf(path: string) {
  return states.ask(path).catch((error) => {
    throw unreadable(path, error);
  });
}

/** Where a path really leads. @throws SOURCE_INVALID when that is outside of the root */
async function follow(root: string, path: string): Promise<string> {
  const real = await places.ask(path).catch((error) => {
    throw unreadable(path, error);
  });
  if (isWithin(real, root)) return real;
  throw invalid(path, 'is a link that leads out of the folder of the runs');
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function invalid(path: string, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${path} ${problem}`, {
    where: { file: path },
    hint: 'Put the files themselves there, or take it out; the other runs are loaded.',
  });
}

export function unreadable(path: string, cause: NodeJS.ErrnoException): DrayageError {
  const gone = cause.code === 'ENOENT';
  return new DrayageError(
    gone ? 'SOURCE_CHANGED' : 'SOURCE_UNREADABLE',
    gone ? `${path} is gone, or leads to nothing` : `${path} cannot be read: ${cause.message}`,
    {
      where: { file: path },
      hint: gone
        ? 'Enqueue the job again: what is loaded already is left alone.'
        : 'Give the worker the right to read it; the other runs are loaded.',
      cause,
    },
  );
}
