import { pause } from '../../base/lifecycle.ts';
import type { SourceBatch } from '../../model/sink.ts';

/** Holds rows back so that no more of them come in a second than are allowed. */
export class Pace {
  #rowsPerSecond: number | undefined;
  /** When the next rows may come, on the clock of `performance.now()`. */
  #freeMs = 0;

  /** @param rowsPerSecond undefined lifts the limit */
  limit(rowsPerSecond: number | undefined): void {
    this.#rowsPerSecond = rowsPerSecond;
  }

  async *over(batches: AsyncIterable<SourceBatch>, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    for await (const one of batches) {
      await this.hold(one.batch.numRows, signal);
      yield one;
    }
  }

  /** Waits until so many rows may come. */
  async hold(rows: number, signal: AbortSignal): Promise<void> {
    const rowsPerSecond = this.#rowsPerSecond;
    if (rowsPerSecond === undefined) return;
    const nowMs = performance.now();
    const startMs = Math.max(this.#freeMs, nowMs);
    this.#freeMs = startMs + (rows / rowsPerSecond) * 1000;
    if (startMs > nowMs) await pause(startMs - nowMs, signal);
    signal.throwIfAborted();
  }
}
