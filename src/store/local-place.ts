import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DrayageError, isDiskFull, isForbidden } from '../base/errors.ts';
import type { Place } from './place.ts';

/** A folder on disk. What is put is on the disk itself before its name is, so that a power cut leaves no half. */
export class LocalPlace implements Place {
  readonly uri: string;
  readonly staging: string;
  readonly #folder: string;

  constructor(root: string, project: string) {
    this.uri = root;
    this.#folder = resolve(project, root);
    this.staging = join(this.#folder, '_staging');
  }

  async read(path: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, path), 'utf8');
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw storeError(error, this.#uriOf(path));
    }
  }

  async write(path: string, text: string): Promise<void> {
    const made = join(this.staging, `${randomUUID()}.tmp`);
    await this.#told(path, async () => {
      await mkdir(this.staging, { recursive: true });
      await writeFile(made, text);
    });
    await this.put(made, path);
  }

  async put(file: string, path: string): Promise<void> {
    const final = join(this.#folder, path);
    await this.#told(path, async () => {
      await flush(file);
      await mkdir(dirname(final), { recursive: true });
      await rename(file, final).catch((error) => {
        if (error.code !== 'EXDEV') throw error;
        return this.#copy(file, final);
      });
      await flush(dirname(final));
    });
  }

  async holds(path: string, bytes: number): Promise<boolean> {
    const found = await stat(join(this.#folder, path)).catch(() => undefined);
    return found?.size === bytes;
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.#told(path, () => rm(join(this.#folder, path), { recursive: true, force: true }));
    }
  }

  /** What breaks off lies in the folder for staging. */
  async giveUp(): Promise<void> {}

  /** From another disk. */
  async #copy(file: string, final: string): Promise<void> {
    const made = join(this.staging, `${randomUUID()}.tmp`);
    await mkdir(this.staging, { recursive: true });
    await copyFile(file, made);
    await flush(made);
    await rename(made, final);
  }

  async #told(path: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw storeError(error, this.#uriOf(path));
    }
  }

  #uriOf = (path: string) => `${this.uri}/${path}`;
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function storeError(cause: unknown, file: string): DrayageError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const where = { file };
  if (isDiskFull(cause)) {
    const hint = 'Make room; the partition is tried again, and nothing of it was published.';
    return new DrayageError('STORE_FULL', `There is no room left to write: ${message}`, { where, hint, cause });
  }
  if (isForbidden(cause) || code === 'EROFS') {
    const hint = 'Check the permissions of the folder, and as whom Drayage runs.';
    return new DrayageError('STORE_DENIED', `The folder cannot be written to: ${message}`, { where, hint, cause });
  }
  return new DrayageError('STORE_FAILED', `The file cannot be written: ${message}`, { where, cause });
}
