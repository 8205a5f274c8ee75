import type { SourceBatch } from '../model/sink.ts';
import type { Stretch } from './row-copy.ts';

interface Part {
  source: SourceBatch;
  stretch: Stretch;
  /** The first row's place in the window. */
  start: number;
}

/** Rows of several batches as one row of rows. */
export class Window {
  rows = 0;
  /** What the batches take in memory. */
  bytes = 0;
  readonly #parts: Part[] = [];

  add(source: SourceBatch, stretch: Stretch): void {
    if (this.#parts.at(-1)?.source !== source) this.bytes += stretch.batch.data.byteLength;
    this.#parts.push({ source, stretch, start: this.rows });
    this.rows += stretch.to - stretch.from;
  }

  /** Adds rows of another window. */
  addFrom(other: Window, from: number, to: number): void {
    for (const { source, stretch } of other.#between(from, to)) this.add(source, stretch);
  }

  /** @returns the rows at these places, and the others */
  part(places: ReadonlySet<number>): [Window, Window] {
    const [chosen, others] = [new Window(), new Window()];
    for (let from = 0, to = 0; from < this.rows; from = to) {
      while (to < this.rows && places.has(to) === places.has(from)) to++;
      (places.has(from) ? chosen : others).addFrom(this, from, to);
    }
    return [chosen, others];
  }

  slice(from: number, to: number): Stretch[] {
    return this.#between(from, to).map(({ stretch }) => stretch);
  }

  /** The batch of a row, and its place in it. */
  find(row: number): [SourceBatch, number] {
    const { source, stretch, start } = this.#parts[this.#partOf(row)]!;
    return [source, stretch.from + row - start];
  }

  #between(from: number, to: number): Omit<Part, 'start'>[] {
    const found: Omit<Part, 'start'>[] = [];
    for (let at = this.#partOf(from); at < this.#parts.length && this.#parts[at]!.start < to; at++) {
      const { source, stretch, start } = this.#parts[at]!;
      const first = Math.max(stretch.from, stretch.from + from - start);
      const end = Math.min(stretch.to, stretch.from + to - start);
      if (end > first) found.push({ source, stretch: { batch: stretch.batch, from: first, to: end } });
    }
    return found;
  }

  /** The part that a row is in: rows that were set aside one by one may make many. */
  #partOf(row: number): number {
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#parts[middle]!.start <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
