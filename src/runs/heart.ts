import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Events } from '../base/events.ts';
import { HEARTBEAT_EVERY_MS } from '../queue/boss.ts';
import { CHANNEL } from '../queue/wake.ts';
import type { FromThread, HeartData, ToThread } from './heart-messages.ts';

/** How soon a worker hears that its run was paused or cancelled, or a claim lost. */
const WATCH_EVERY_MS = 1_000;
/** A main thread that shows no life for this long is given up. */
const STUCK_MS = 10 * 60_000;

export interface Listener {
  /** There may be work. */
  rung(): void;
  /** @param rows of the watching query @param version of the orders that it belongs to */
  watched(rows: unknown[], version: number): void;
}

/** Keeps claims alive and listens, in a thread with one connection of its own. */
export class Heart {
  readonly #worker: Worker;
  readonly #mainSeen = new BigInt64Array(new SharedArrayBuffer(8));
  readonly #pulse: NodeJS.Timeout;

  constructor(url: string, events: Events, listener: Listener) {
    this.#seen();
    const workerData: HeartData = {
      url,
      channel: CHANNEL,
      beatMs: HEARTBEAT_EVERY_MS,
      watchMs: WATCH_EVERY_MS,
      stuckMs: STUCK_MS,
      mainSeen: this.#mainSeen,
    };
    this.#worker = new Worker(new URL('./heart-thread.ts', import.meta.url), {
      workerData,
      // It holds next to nothing, and its memory is the worker's.
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on('message', (message: FromThread) => {
      if ('rung' in message) listener.rung();
      else if ('watched' in message) listener.watched(message.watched, message.version);
      else events.emit('queueError', { error: new Error(`Heartbeat: ${message.trouble}`) });
    });
    this.#worker.on('error', (error) => events.emit('queueError', { error }));
    this.#pulse = setInterval(() => this.#seen(), WATCH_EVERY_MS);
  }

  order(orders: ToThread): void {
    this.#worker.postMessage(orders);
  }

  async stop(): Promise<void> {
    clearInterval(this.#pulse);
    const ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.postMessage('stop');
    await ended;
  }

  #seen(): void {
    Atomics.store(this.#mainSeen, 0, BigInt(Date.now()));
  }
}
