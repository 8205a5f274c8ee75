import type { Keeper } from '../model/source.ts';

interface Closable {
  close(): Promise<void>;
}

/** What a producer that stays keeps open for the partitions of one run. */
export class RunKeeper implements Keeper {
  readonly #kept = new Map<string, Promise<Closable>>();

  async keep<Kept extends Closable>(name: string, open: () => Promise<Kept>): Promise<Kept> {
    const kept = this.#kept.get(name) ?? open();
    this.#kept.set(name, kept);
    try {
      return (await kept) as Kept;
    } catch (error) {
      this.#kept.delete(name);
      throw error;
    }
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /** Whatever becomes of it; a second call does nothing. */
  async close(): Promise<void> {
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    await Promise.allSettled(kept.map(async (one) => (await one).close()));
  }
}
