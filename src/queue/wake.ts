import type pg from 'pg';
import { pause } from '../base/lifecycle.ts';

const CHANNEL = 'drayage_work';

/** Part of the producer's transaction: workers hear of it when it commits. */
export async function ringBell(client: pg.ClientBase | pg.Pool): Promise<void> {
  await client.query(`select pg_notify('${CHANNEL}', '')`);
}

/**
 * Wakes an idle worker when there is work. A lost connection only costs promptness: the waiting ends by itself after
 * the polling interval, and each waiting tries to listen again.
 */
export class Bell {
  readonly #connect: () => Promise<pg.Client>;
  #client: pg.Client | undefined;
  #ring: () => void = () => undefined;
  #rung = false;

  constructor(connect: () => Promise<pg.Client>) {
    this.#connect = connect;
  }

  /** Resolves at the next ring, after `ms`, or when the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#listen();
    if (!this.#rung) {
      const cut = new AbortController();
      this.#ring = () => cut.abort();
      await pause(ms, AbortSignal.any([signal, cut.signal]));
    }
    this.#rung = false;
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
  }

  async #listen(): Promise<void> {
    if (this.#client) return;
    try {
      const client = await this.#connect();
      client.on('notification', () => {
        this.#rung = true;
        this.#ring();
      });
      client.on('end', () => {
        this.#client = undefined;
      });
      await client.query(`listen ${CHANNEL}`);
      this.#client = client;
    } catch {
      // No session to be had, through a transaction pooler for example: polling alone then.
    }
  }
}
