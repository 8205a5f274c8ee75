import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Embedded, joinEmbedded } from '../../../src/postgres/embedded.ts';
import { placeServer } from '../../../src/postgres/embedded-place.ts';
import { until } from './until.ts';

/** A Postgres that nobody else uses, so that it may be killed. */
export class PrivateServer {
  readonly #home: string;
  #joined: Embedded;

  private constructor(home: string, joined: Embedded) {
    this.#home = home;
    this.#joined = joined;
  }

  static async start(): Promise<PrivateServer> {
    const home = await mkdtemp(join(tmpdir(), 'drayage-crash-'));
    // Postgres runs as another user when the tests run as root.
    await chmod(home, 0o755);
    return new PrivateServer(home, await joinEmbedded(home));
  }

  /** Another one after every restart. */
  get port(): number {
    return Number(new URL(this.#joined.url).port);
  }

  /** @param port of a relay; left out: straight to the server */
  url(database: string, port = this.port): string {
    const url = new URL(this.#joined.url);
    url.port = String(port);
    url.pathname = `/${database}`;
    return url.href;
  }

  /** Ends the server without a checkpoint, as a crash would, and starts it anew: it recovers from its log. */
  async restart(): Promise<void> {
    const { dataFolder } = await placeServer(this.#home);
    const pidFile = join(dataFolder, 'postmaster.pid');
    const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
    process.kill(pid, 'SIGQUIT');
    await until('the server has ended', () => !isAlive(pid));
    this.#joined = await joinEmbedded(this.#home);
  }

  async stop(): Promise<void> {
    await this.#joined.leave();
    await rm(this.#home, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
