import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DrayageError } from '../base/errors.ts';
import { writeWhole } from '../base/whole-write.ts';

const PART = '.part';
/** A download that nobody has written to for so long was left behind by a crash. */
const ABANDONED_MS = 60 * 60_000;
const MB = 1_000_000;

export interface Wanted {
  /** Names the content: another one has another key. */
  key: string;
  /** What its path is to end with; folders may mean something. */
  name: string;
  size: number;
  /** Where it comes from when it is not here; what fails in it fails the caller. */
  fetch(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

interface Pin {
  ready: Promise<void>;
  key: string;
  size: number;
  users: number;
}

/**
 * Copies of files that lie elsewhere, as many as there is room for; those that were not used for longest go first. Several
 * processes share one: whoever uses a file has a link of its own to it, which stays when another one makes room.
 */
export class FileCache {
  readonly #folder: string;
  readonly #links: string;
  readonly #limit: number;
  readonly #pins = new Map<string, Pin>();
  /** Links of this process that are about to go. */
  readonly #removals = new Map<string, Promise<void>>();
  /** Downloads make room for themselves one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, links: string, limitBytes: number) {
    this.#folder = folder;
    this.#links = links;
    this.#limit = limitBytes;
  }

  /**
   * @param folder where the copies lie
   * @param links a folder of this process on the same disk
   */
  static async open(folder: string, links: string, limitBytes: number): Promise<FileCache> {
    await mkdir(folder, { recursive: true });
    return new FileCache(folder, links, limitBytes);
  }

  /**
   * The path of a file, fetched if it is not here, which is good until it is released as often as it was held.
   * @throws SPOOL_FULL when what is held at a time is more than there is room for
   */
  async hold(wanted: Wanted, signal: AbortSignal): Promise<string> {
    const path = join(this.#links, wanted.key, wanted.name);
    for (;;) {
      const shared = this.#pins.get(path);
      const pin = shared ?? this.#pin(wanted, path, signal);
      pin.users++;
      try {
        await pin.ready;
        return path;
      } catch (error) {
        if (this.#pins.get(path) === pin) this.#pins.delete(path);
        // It may be somebody else who was interrupted.
        if (!shared || signal.aborted) throw error;
      }
    }
  }

  #pin(wanted: Wanted, path: string, signal: AbortSignal): Pin {
    const held = [...this.#pins.values()].reduce((sum, { size }) => sum + size, 0);
    if (held + wanted.size > this.#limit) throw tooSmall(held + wanted.size, this.#limit);
    const pin = { ready: this.#link(wanted, path, signal), key: wanted.key, size: wanted.size, users: 0 };
    this.#pins.set(path, pin);
    return pin;
  }

  /** @param path as `hold` gave it */
  async release(path: string): Promise<void> {
    const pin = this.#pins.get(path);
    if (!pin || --pin.users > 0) return;
    this.#pins.delete(path);
    const removal = rm(path, { force: true });
    this.#removals.set(path, removal);
    try {
      await removal;
    } finally {
      if (this.#removals.get(path) === removal) this.#removals.delete(path);
    }
  }

  async #link({ key, size, fetch }: Wanted, path: string, signal: AbortSignal): Promise<void> {
    const cached = join(this.#folder, key);
    // Else it would be removed after it was found there.
    await this.#removals.get(path)?.catch(() => undefined);
    await mkdir(dirname(path), { recursive: true });
    const now = new Date();
    for (let tries = 0; ; tries++) {
      const about = await stat(cached).catch(() => undefined);
      if (about?.size !== size) await this.#download(cached, size, fetch, signal);
      await utimes(cached, now, now).catch(() => undefined);
      try {
        await link(cached, path);
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST') return;
        // Another process has just made room of it.
        if (code !== 'ENOENT' || tries > 2) throw error;
      }
    }
  }

  async #download(cached: string, size: number, fetch: Wanted['fetch'], signal: AbortSignal): Promise<void> {
    const turn = this.#turn.then(() => this.#makeRoom(size));
    this.#turn = turn.catch(() => undefined);
    await turn;
    const part = `${cached}~${randomUUID()}${PART}`;
    const file = await open(part, 'wx');
    try {
      // Holds the place for others that make room.
      await file.truncate(size);
      let at = 0;
      for await (const piece of fetch(signal)) {
        await writeWhole(file, piece, at);
        at += piece.length;
      }
      await file.truncate(at);
      await file.close();
      await rename(part, cached);
    } catch (error) {
      await file.close();
      await rm(part, { force: true });
      throw error;
    }
  }

  /** Removes what was used longest ago until so many bytes more fit. */
  async #makeRoom(bytes: number): Promise<void> {
    const found = await Promise.all(
      (await readdir(this.#folder)).map(async (name) => {
        const about = await stat(join(this.#folder, name)).catch(() => undefined);
        return { name, size: about?.isFile() ? about.size : 0, usedMs: about?.mtimeMs ?? 0 };
      }),
    );
    const inUse = new Set([...this.#pins.values()].map(({ key }) => key));
    let used = found.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size, usedMs } of found.sort((a, b) => a.usedMs - b.usedMs)) {
      const abandoned = name.endsWith(PART) && Date.now() - usedMs > ABANDONED_MS;
      const free = !name.endsWith(PART) && !inUse.has(name) && used + bytes > this.#limit;
      if (!abandoned && !free) continue;
      await rm(join(this.#folder, name), { force: true });
      used -= size;
    }
  }
}

function tooSmall(bytes: number, limit: number): DrayageError {
  const mb = (count: number) => `${Math.ceil(count / MB)} MB`;
  return new DrayageError(
    'SPOOL_FULL',
    `The query needs ${mb(bytes)} of files on this machine, and ${mb(limit)} are allowed`,
    {
      hint: 'Allow more with DRAYAGE_SPOOL_MB, or diskMb of the Lake.',
    },
  );
}
