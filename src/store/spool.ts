import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DrayageError } from '../base/errors.ts';

/** Tells this process from one that had the same number before it. */
const PROCESS = randomUUID().slice(0, 8);
const TOUCH_EVERY_MS = 60_000;
/** A folder of another host that nobody has touched for so long is garbage. */
const ABANDONED_MS = 60 * 60_000;
const MB = 1_000_000;

/**
 * Room on disk for what is only needed while a partition is open. Every process has a folder of its own, removed when
 * it ends; what a crash left behind is swept by whoever starts next. The limit holds per process.
 */
export class Spool {
  readonly folder: string;
  readonly #limit: number;
  #used = 0;
  #waiting: (() => void)[] = [];
  #touch: NodeJS.Timeout;

  private constructor(folder: string, limitBytes: number) {
    this.folder = folder;
    this.#limit = limitBytes;
    this.#touch = setInterval(() => {
      const now = new Date();
      void utimes(folder, now, now).catch(() => undefined);
    }, TOUCH_EVERY_MS).unref();
  }

  /** @param parent where the folders of all processes lie */
  static async open(parent: string, limitBytes: number): Promise<Spool> {
    await mkdir(parent, { recursive: true });
    await sweep(parent);
    return new Spool(await mkdtemp(join(parent, `${hostname()}~${process.pid}~${PROCESS}~`)), limitBytes);
  }

  /**
   * A folder of one's own with room for so many bytes; waits until there is as much.
   * @throws SPOOL_FULL when there never is
   */
  async hold(bytes: number, signal: AbortSignal): Promise<Held> {
    if (bytes > this.#limit) throw tooSmall(bytes, this.#limit);
    while (this.#used + bytes > this.#limit) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    signal.throwIfAborted();
    this.#used += bytes;
    const folder = await mkdtemp(join(this.folder, 'held-'));
    let held = bytes;
    return {
      folder,
      grow: (more) => {
        if (this.#used + more > this.#limit) throw tooSmall(held + more, this.#limit);
        this.#used += more;
        held += more;
      },
      release: async () => {
        await rm(folder, { recursive: true, force: true });
        this.#used -= held;
        held = 0;
        for (const wake of this.#waiting.splice(0)) wake();
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#touch);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Room that was given to somebody. */
export interface Held {
  folder: string;
  /** Takes more without waiting, since somebody may be waiting for what is held here. @throws SPOOL_FULL */
  grow(bytes: number): void;
  release(): Promise<void>;
}

function tooSmall(bytes: number, limit: number): DrayageError {
  const mb = (count: number) => `${Math.ceil(count / MB)} MB`;
  return new DrayageError('SPOOL_FULL', `${mb(bytes)} have to lie on disk for a while, and ${mb(limit)} are allowed`, {
    hint: 'Allow more with DRAYAGE_SPOOL_MB, or cut the source into smaller partitions or files.',
  });
}

/** Removes the folders of processes that are no more. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const [host, pid, token] = name.split('~');
    const folder = join(parent, name);
    const touched = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    const ours = host === hostname();
    const dead = ours && (Number(pid) === process.pid ? token !== PROCESS : !isAlive(Number(pid)));
    // What no process of ours has named is garbage of an older version.
    if (dead || Date.now() - touched > ABANDONED_MS) await rm(folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
