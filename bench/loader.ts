import { keepMemoryLow } from '../src/base/memory.ts';

// As workers/worker.ts begins.
keepMemoryLow(process.env);
const { readConfig } = await import('../src/base/config.ts');
const { createEvents } = await import('../src/base/events.ts');
const { openQueue, openServices } = await import('../src/runs/services.ts');
const { work } = await import('../src/runs/worker/work.ts');

/** What the worker process of the benchmark tells when a run has ended. */
export interface LoadAnswer {
  /** When the last partition was committed, in milliseconds since 1970. */
  committedMs: number;
  rows: number;
  peakRssMb: number;
}

const now = () => performance.timeOrigin + performance.now();

const config = readConfig(process.env, process.argv[2]!);
const events = createEvents();
const services = await openServices(config, { loads: config.concurrency, events });
const boss = await openQueue(services, { supervise: true });
const stop = new AbortController();

let answer: LoadAnswer = { committedMs: 0, rows: 0, peakRssMb: 0 };
let underway = 0;
let finished = false;
/** A run may be finished before the worker has told of its last partition. */
function tell(): void {
  if (!finished || underway > 0) return;
  process.send?.({ ...answer, peakRssMb: (process.resourceUsage().maxRSS * 1024) / 1e6 });
  answer = { ...answer, rows: 0 };
  finished = false;
}
events.on('attemptStarted', () => {
  underway++;
});
events.on('attemptDone', ({ rowsRead }) => {
  answer = { ...answer, committedMs: now(), rows: answer.rows + rowsRead };
  underway--;
  tell();
});
events.on('attemptFailed', () => {
  underway--;
});
events.on('runFinished', () => {
  finished = true;
  tell();
});
process.on('disconnect', () => stop.abort());
process.send?.('ready');
await work(services, boss, stop.signal);
await services.closers.close();
