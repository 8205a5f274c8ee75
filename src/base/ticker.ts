/**
 * Passes on the newest value at most once per interval, and the last value always. A failing report is ignored: it is
 * a courtesy, and the numbers that count are committed elsewhere.
 */
export class Ticker<Value> {
  readonly #report: (value: Value) => Promise<void>;
  readonly #intervalMs: number;
  #latest: Value | undefined;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> = Promise.resolve();

  constructor(intervalMs: number, report: (value: Value) => Promise<void>) {
    this.#intervalMs = intervalMs;
    this.#report = report;
  }

  tick(value: Value): void {
    this.#latest = value;
    this.#timer ??= setTimeout(() => this.#flush(), this.#intervalMs);
  }

  /** Ends the ticking and waits for a report that is under way; a value not yet reported is dropped. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#latest = undefined;
    await this.#busy;
  }

  #flush(): void {
    this.#timer = undefined;
    const value = this.#latest;
    if (value === undefined) return;
    this.#latest = undefined;
    this.#busy = this.#busy.then(() => this.#report(value)).catch(() => undefined);
  }
}
