import { setTimeout as sleep } from 'node:timers/promises';
import { DrayageError, EXIT } from './errors.ts';

/** Platforms kill after 30 seconds; what is not done by then is rolled back and given back in good time. */
const SIGTERM_GRACE_MS = 20_000;

/** Nothing may keep a process for longer than this. */
const DEADLINE_MS = 25_000;

/** Why a process is stopping, and how long what is under way may still take. */
export class Shutdown extends DrayageError {
  readonly graceMs: number;

  constructor(signal: NodeJS.Signals) {
    super('INTERRUPTED', `Stopped by ${signal}`, {
      hint: 'What was under way has been given back to the queue; run "dray work" to go on.',
    });
    this.graceMs = signal === 'SIGTERM' ? SIGTERM_GRACE_MS : 0;
  }
}

/**
 * The signal that every long task watches. The first SIGTERM or SIGINT asks for a drain; a second SIGINT leaves at
 * once, which is safe because an open transaction rolls back when its connection ends.
 */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  const ask = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted && signal === 'SIGINT') process.exit(EXIT.interrupted);
    controller.abort(new Shutdown(signal));
    // What cannot be ended in good order, such as a connection that says nothing, ends with the process.
    setTimeout(() => process.exit(), DEADLINE_MS).unref();
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  return controller.signal;
}

/** Waits, unless the signal comes first. Never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
}

/** Things to close in reverse order of their opening; every one is closed, and a second call does nothing. */
export class Closers {
  #closers: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
