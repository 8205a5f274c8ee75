import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { isPackThere } from '../ledger/backends.ts';

const EVERY_MS = 2_000;
/** So often in a row the server has to deny that it knows of the connection. */
const DENIED = 5;

/**
 * Asks a target apart whether it still knows of the connection that loads a pack: one that the server has lost without
 * our hearing of it would be waited on for ever. In the control database the worker's heart does that.
 */
export class PackWatch {
  readonly #target: pg.Pool;
  readonly #pack: string;
  readonly #everyMs: number;
  readonly #lost = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #denied = 0;

  constructor(target: pg.Pool, pack: string, everyMs = EVERY_MS) {
    this.#target = target;
    this.#pack = pack;
    this.#everyMs = everyMs;
  }

  /** Aborted when the connection is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** From here on the connection has the pack's name. */
  start(): void {
    this.#timer = setTimeout(() => void this.#ask(), this.#everyMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #ask(): Promise<void> {
    // A server that does not answer this either is given up by whoever asks it for something.
    const there = await isPackThere(this.#target, this.#pack).catch(() => true);
    if (this.#timer === undefined) return;
    this.#denied = there ? 0 : this.#denied + 1;
    if (this.#denied < DENIED) return this.start();
    this.#lost.abort(new DrayageError('DATABASE_FAILED', 'The database has lost the connection, and did not say so'));
  }
}
