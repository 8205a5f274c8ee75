interface Entry<Answer> {
  answer: Answer;
  bytes: number;
  untilMs: number;
}

/** Answers that are good for a while, as many as there is room for; those that were not asked for longest go first. */
export class ResultCache<Answer> {
  readonly #ttlMs: number;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry<Answer>>();
  #bytes = 0;

  constructor(ttlMs: number, limitBytes: number) {
    this.#ttlMs = ttlMs;
    this.#limit = limitBytes;
  }

  get(key: string): Answer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#remove(key, entry);
    if (entry.untilMs <= performance.now()) return undefined;
    this.#insert(key, entry);
    return entry.answer;
  }

  set(key: string, answer: Answer, bytes: number): void {
    if (this.#ttlMs <= 0 || bytes > this.#limit) return;
    const former = this.#entries.get(key);
    if (former) this.#remove(key, former);
    this.#insert(key, { answer, bytes, untilMs: performance.now() + this.#ttlMs });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      this.#remove(oldest, entry);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #insert(key: string, entry: Entry<Answer>): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #remove(key: string, entry: Entry<Answer>): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
