import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Events } from '../../base/events.ts';
import { HEARTBEAT_EVERY_MS } from '../../queue/boss.ts';
import { CHANNEL } from '../../queue/wake.ts';
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

/** Keeps claims alive and listens, in a thread with one connection of its own. One that dies is replaced. */
export class Heart {
  readonly #url: string;
  readonly #events: Events;
  readonly #listener: Listener;
  readonly #mainSeen = new BigInt64Array(new SharedArrayBuffer(8));
  readonly #pulse: NodeJS.Timeout;
  #worker: Worker;
  #replacing: NodeJS.Timeout | undefined;
  #orders: ToThread | undefined;

  constructor(url: string, events: Events, listener: Listener) {
    this.#url = url;
    this.#events = events;
    this.#listener = listener;
    this.#seen();
    this.#worker = this.#begin();
    this.#pulse = setInterval(() => this.#seen(), WATCH_EVERY_MS);
  }

  order(orders: ToThread): void {
    this.#orders = orders;
    this.#worker.postMessage(orders);
  }

  async stop(): Promise<void> {
    clearInterval(this.#pulse);
    if (this.#replacing) return clearTimeout(this.#replacing);
    this.#worker.removeAllListeners('exit');
    const ended = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.postMessage('stop');
    await ended;
  }

  #begin(): Worker {
    const workerData: HeartData = {
      url: this.#url,
      channel: CHANNEL,
      beatMs: HEARTBEAT_EVERY_MS,
      watchMs: WATCH_EVERY_MS,
      stuckMs: STUCK_MS,
      mainSeen: this.#mainSeen,
    };
    const worker = new Worker(new URL('./heart-thread.ts', import.meta.url), {
      workerData,
      // It holds next to nothing, and its memory is the worker's.
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', (message: FromThread) => {
      if ('rung' in message) this.#listener.rung();
      else if ('watched' in message) this.#listener.watched(message.watched, message.version);
      else this.#trouble(new Error(message.trouble));
    });
    worker.on('error', (error) => this.#trouble(error));
    worker.on('exit', () => {
      this.#replacing = setTimeout(() => this.#replace(), WATCH_EVERY_MS);
    });
    return worker;
  }

  #replace(): void {
    this.#replacing = undefined;
    this.#worker = this.#begin();
    if (this.#orders) this.#worker.postMessage(this.#orders);
  }

  #trouble({ message }: Error): void {
    this.#events.emit('queueError', { error: new Error(`Heartbeat: ${message}`) });
  }

  #seen(): void {
    Atomics.store(this.#mainSeen, 0, BigInt(Date.now()));
  }
}
