import type { Services } from '../runs/services.ts';
import { verifyRun } from '../runs/verify/verify.ts';
import { Problem } from './problem.ts';

const MOST_AT_ONCE = 2;

/** Verifications that this process was asked for. They go on when nobody looks, and end with the server. */
export class Verifications {
  readonly #services: Services;
  readonly #failed: (run: number, error: unknown) => void;
  readonly #running = new Map<number, Promise<unknown>>();
  readonly #stop = new AbortController();

  /** @param failed is told when one cannot be brought to its end */
  constructor(services: Services, failed: (run: number, error: unknown) => void) {
    this.#services = services;
    this.#failed = failed;
  }

  isRunning(run: number): boolean {
    return this.#running.has(run);
  }

  /** @throws Problem when it is under way already, or too many are */
  begin(run: number): void {
    if (this.#running.has(run)) throw new Problem(409, 'NOT_NOW', `Run ${run} is being verified already`);
    if (this.#running.size >= MOST_AT_ONCE) {
      throw new Problem(409, 'NOT_NOW', 'Other runs are being verified', 'Wait until they are done.');
    }
    const done = verifyRun(this.#services, run, { sample: 0, signal: this.#stop.signal })
      .catch((error) => this.#failed(run, error))
      .finally(() => this.#running.delete(run));
    this.#running.set(run, done);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running.values());
  }
}
