import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Memory of DuckDB's is freed when V8 collects the small object that stands for it, and V8, which sees only the small
 * object, is in no hurry: a scan of ten columns that takes 120 MB when it is hurried takes 600 MB when it is not, and a
 * fifth longer, because nothing stays in the processor's cache.
 */
function collect(type: 'minor' | 'major'): void {
  if (!collector) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collector;
  }
  collector({ type });
}

type Collector = (options: { type: 'minor' | 'major' }) => void;
let collector: Collector | undefined;

/** How much may be left lying about. A collection of the young objects takes a twentieth of a millisecond. */
const SWEEP_BYTES = 3 * 1024 * 1024;

/** Between two collections of everything, which take ten milliseconds or so. */
const SWEEP_ALL_EVERY_MS = 10_000;
let sweptAllMs = 0;

/** Has what chunks stood for freed, whenever enough of them have been done with. */
export class Sweeper {
  #bytes = 0;

  /** @param bytes that were copied from a chunk which nobody uses any more */
  done(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < SWEEP_BYTES) return;
    this.#bytes = 0;
    collect('minor');
  }
}

/** At the end of a scan, or of a batch: what lived for as long as it did is no longer young. */
export function sweepAll(everyMs = SWEEP_ALL_EVERY_MS): void {
  if (performance.now() - sweptAllMs < everyMs) return;
  collect('major');
  sweptAllMs = performance.now();
}

/**
 * To be called before the program is loaded. Keeps the space for young objects as small as it starts out: loading alone
 * makes V8 take 32 MB for them and never give them back, and a process that goes on for long at a steady pace gains nothing
 * from more. And has DuckDB's own allocator, which reads its setting when the library is loaded, give back at once what is
 * too large to be a page of a file, which the next row group wants again
 * (https://jemalloc.net/jemalloc.3.html#opt.oversize_threshold). Its threads share one arena, so that one uses what another
 * has freed; what none has used for a moment goes back to the system.
 * @param env the process's own
 */
export function keepMemoryLow(env: NodeJS.ProcessEnv): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  env.DUCKDB_JE_MALLOC_CONF ??= 'oversize_threshold:33554432,narenas:1,dirty_decay_ms:60,muzzy_decay_ms:0';
}

/** What V8 is made to copy once, so that it enlarges the space for young objects; with 1 MB it is full of these. */
const SURVIVORS = 40_000;

/**
 * Gives young objects twice the space, which is 4 MB. To be called when the program is loaded and chunks are about to
 * come: one that is looked at while young objects are collected twice stays for good, and in the space that there is at
 * first they are collected every millisecond. A load of lists took 500 MB so, and takes 200 MB.
 */
export function widenYoung(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  const survivors = Array.from({ length: SURVIVORS }, (_, index) => ({ index }));
  collect('minor');
  collect('minor');
  survivors.length = 0;
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Frees the memory of a buffer at once. */
export function giveBack(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}
