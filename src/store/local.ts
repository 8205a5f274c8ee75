import { createReadStream, type Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { matchesGlob } from 'node:path/posix';
import { DrayageError, fileUnreadable } from '../base/errors.ts';
import { type FileStore, type FindOptions, globBase, isGlob, type Range, type StoredFile } from './stored.ts';

const PIECE_BYTES = 1024 * 1024;

type Found = StoredFile & { problem?: DrayageError };

/** Files on disk. Links that lead out of the folder they were found in are refused, unless that is wanted. */
export class LocalFiles implements FileStore {
  readonly pins = false;
  readonly #root: string;
  readonly #followLinks: boolean;

  constructor(root: string, followLinks: boolean) {
    this.#root = root;
    this.#followLinks = followLinks;
  }

  async *find(path: string, { wanted, signal }: FindOptions): AsyncGenerator<Found> {
    const about = await stat(resolve(this.#root, path)).catch(absent);
    if (about?.isFile()) yield asFile(path, about);
    else if (about?.isDirectory()) yield* this.#walk(path, Number.POSITIVE_INFINITY, wanted, signal);
    else if (isGlob(path)) {
      const base = globBase(path);
      // Without **, nothing matches below the pattern's own depth.
      const depth = path.includes('**') ? Number.POSITIVE_INFINITY : path.split('/').length - base.split('/').length;
      const pattern = path.replace(/^\.\//, '');
      const exists = await stat(resolve(this.#root, base)).catch(absent);
      if (exists?.isDirectory()) {
        yield* this.#walk(base, base === '' ? depth + 1 : depth, (name) => matchesGlob(name, pattern), signal);
      }
    }
  }

  async look(path: string): Promise<StoredFile> {
    try {
      return asFile(path, await stat(resolve(this.#root, path)));
    } catch (cause) {
      throw unreadable(path, cause);
    }
  }

  async *read({ path }: StoredFile, { start, end }: Range, signal: AbortSignal): AsyncGenerator<Buffer> {
    if (end <= start) return;
    const options = { start, end: end - 1, highWaterMark: PIECE_BYTES, signal };
    try {
      yield* createReadStream(resolve(this.#root, path), options) as AsyncIterable<Buffer>;
    } catch (cause) {
      if (signal.aborted) throw new DrayageError('INTERRUPTED', 'The read was interrupted', { cause });
      throw unreadable(path, cause);
    }
  }

  localPath({ path }: StoredFile): string {
    return resolve(this.#root, path);
  }

  async *#walk(
    base: string,
    depth: number,
    wanted: (path: string) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Found> {
    const home = await realpath(resolve(this.#root, base));
    const within = (target: string) => target === home || !relative(home, target).startsWith('..');
    const walk = async function* (
      this: LocalFiles,
      folder: string,
      left: number,
      above: readonly string[],
    ): AsyncGenerator<Found> {
      signal.throwIfAborted();
      const entries = await readdir(resolve(this.#root, folder), { withFileTypes: true }).catch((cause) => {
        throw unreadable(folder, cause);
      });
      const named = entries.map((entry) => ({ entry, order: entry.isDirectory() ? `${entry.name}/` : entry.name }));
      for (const { entry } of named.sort((a, b) => (a.order < b.order ? -1 : 1))) {
        if (entry.name.startsWith('.')) continue;
        const path = join(folder, entry.name);
        const absolute = resolve(this.#root, path);
        const about = entry.isSymbolicLink() ? await stat(absolute).catch(absent) : entry;
        const target = entry.isSymbolicLink() ? await realpath(absolute).catch(() => absolute) : absolute;
        const strays = entry.isSymbolicLink() && !this.#followLinks && !within(target);
        if (about?.isDirectory()) {
          if (strays) yield { path, size: 0, version: '', problem: stray(path, target) };
          // A link to a folder inside leads to what is found anyway, and one to a folder above goes round in circles.
          else if (entry.isSymbolicLink() && (within(target) || above.includes(target))) continue;
          else if (left > 1) yield* walk.call(this, path, left - 1, [...above, target]);
        } else if (wanted(path)) {
          if (strays) yield { path, size: 0, version: '', problem: stray(path, target) };
          else yield await this.#lookOrTell(path);
        }
      }
    };
    yield* walk.call(this, base, depth, [home]);
  }

  async #lookOrTell(path: string): Promise<Found> {
    try {
      return await this.look(path);
    } catch (error) {
      return { path, size: 0, version: '', problem: error as DrayageError };
    }
  }
}

function asFile(path: string, { size, mtimeMs }: Stats): StoredFile {
  return { path, size, version: String(mtimeMs) };
}

function absent(): undefined {
  return undefined;
}

function stray(path: string, target: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${path} is a link that leads out of its folder, to ${target}`, {
    hint: 'Name the file itself, or allow such links with files(path, { followLinks: true }).',
  });
}

function unreadable(path: string, cause: unknown): DrayageError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new DrayageError('SOURCE_MISSING', `There is no file ${path}`, {
      where: { file: path },
      hint: 'Check the path.',
      cause,
    });
  }
  return fileUnreadable(path, cause);
}
