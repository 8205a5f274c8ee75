import type pg from 'pg';
import type { ControlDb } from '../control/db.ts';
import { changeMarks } from '../control/marks.ts';

/** What drayage.sample_run tells. */
const CHANNEL = 'drayage_changes';
/** The floor below the notifications: running partitions, workers, and servers through a pooler that passes none on. */
const POLL_MS = 2_000;

/** A run whose number is told has changed; null stands for the workers. */
export type Change = number | null;

/**
 * Tells what has changed, from notifications and by looking now and then; looks only while somebody listens. A lost
 * connection costs promptness alone.
 */
export class Live {
  readonly #db: ControlDb;
  readonly #connect: () => Promise<pg.Client>;
  readonly #listeners = new Set<(change: Change) => void>();
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #marks: ReadonlyMap<Change, string> | undefined;
  #closed = false;

  constructor(db: ControlDb, connect: () => Promise<pg.Client>) {
    this.#db = db;
    this.#connect = connect;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** @returns ends the subscription */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setTimeout(() => void this.#look(), 0);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#listeners.clear();
    await this.#client?.end().catch(() => undefined);
  }

  async #look(): Promise<void> {
    await this.#listen();
    const marks = await changeMarks(this.#db).catch(() => this.#marks);
    for (const [change, mark] of marks ?? []) {
      if (this.#marks && this.#marks.get(change) !== mark) this.#tell(change);
    }
    this.#marks = marks;
    const watched = this.#listeners.size > 0 && !this.#closed;
    this.#timer = watched ? setTimeout(() => void this.#look(), POLL_MS) : undefined;
    if (!watched) this.#marks = undefined;
  }

  async #listen(): Promise<void> {
    if (this.#client || this.#closed) return;
    try {
      const client = await this.#connect();
      if (this.#closed) return void (await client.end());
      this.#client = client;
      client.on('notification', ({ payload }) => this.#tell(Number(payload)));
      client.on('end', () => {
        this.#client = undefined;
      });
      await client.query(`listen ${CHANNEL}`);
    } catch {
      // No session to be had: looking alone then.
    }
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}
