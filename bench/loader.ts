import { join } from 'node:path';
import { readConfig } from '../src/base/config.ts';
import { createEvents } from '../src/base/events.ts';
import { enqueue } from '../src/runs/enqueue.ts';
import { loadJob } from '../src/runs/load-jobs.ts';
import { prepareJob } from '../src/runs/plan.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { work } from '../src/runs/work.ts';

/** A worker process that the benchmark keeps warm: it enqueues and loads on demand, and tells times and memory. */
export interface LoadAnswer {
  /** From the start of planning to the commit of the last partition. */
  loadSeconds: number;
  /** The same to the end of the run, with statistics brought up to date. */
  runSeconds: number;
  rows: number;
  peakRssMb: number;
}

const config = readConfig(process.env, join(import.meta.dirname));
const events = createEvents();
const services = await openServices(config, { loads: config.concurrency, events });
await ensureSchema(services);
const boss = await openQueue(services, { supervise: true });
const stop = new AbortController();
const working = work(services, boss, stop.signal);
events.on('attemptFailed', ({ error }) => {
  throw error;
});

async function load(job: string, path: string): Promise<LoadAnswer> {
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  let loadSeconds = 0;
  let rows = 0;
  const count = (done: { rowsWritten: number }) => {
    rows += done.rowsWritten;
    loadSeconds = seconds();
  };
  events.on('attemptDone', count);
  const finished = new Promise<void>((resolve) => events.once('runFinished', () => resolve()));
  const prepared = prepareJob(await loadJob(config.root, job), { path });
  await enqueue(services, boss, prepared, { force: true, signal: stop.signal });
  await finished;
  events.off('attemptDone', count);
  return { loadSeconds, runSeconds: seconds(), rows, peakRssMb: (process.resourceUsage().maxRSS * 1024) / 1e6 };
}

process.on('message', async ({ job, path }: { job: string; path: string }) => {
  process.send?.(await load(job, path));
});
process.on('disconnect', async () => {
  stop.abort();
  await working;
  await services.closers.close();
});
process.send?.('ready');
