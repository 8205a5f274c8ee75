interface Entry {
  version: string;
  value: Promise<unknown>;
  /** When the answer came, and how long it took; infinite while it is awaited. */
  doneMs: number;
  tookMs: number;
}

/** A costly answer may be this many times as old as it took to get. */
const PATIENCE = 10;
const LEAST_AGE_MS = 750;
const MOST_ENTRIES = 200;

/**
 * Keeps answers that are costly, so that a crowd of visitors costs no more than one. What has not changed is never
 * asked for twice; what has changed is asked for in a rhythm that spares the database.
 */
export class Memo {
  readonly #entries = new Map<string, Entry>();

  /**
   * @param version equal as long as the answer cannot have changed
   * @param exact take no answer of another version, however young it is
   */
  get<Value>(key: string, version: string, exact: boolean, ask: () => Promise<Value>): Promise<Value> {
    const entry = this.#entries.get(key);
    if (entry && (entry.version === version || (!exact && this.#isYoung(entry)))) return entry.value as Promise<Value>;
    return this.#ask(key, version, ask);
  }

  #isYoung({ doneMs, tookMs }: Entry): boolean {
    return performance.now() - doneMs < Math.max(LEAST_AGE_MS, tookMs * PATIENCE);
  }

  #ask<Value>(key: string, version: string, ask: () => Promise<Value>): Promise<Value> {
    const startedMs = performance.now();
    const value = ask();
    const entry: Entry = { version, value, doneMs: Number.POSITIVE_INFINITY, tookMs: 0 };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > MOST_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
    value.then(
      () => {
        entry.doneMs = performance.now();
        entry.tookMs = entry.doneMs - startedMs;
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return value;
  }
}
