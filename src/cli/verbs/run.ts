import { EXIT } from '../../base/errors.ts';
import { pause } from '../../base/lifecycle.ts';
import { ENDED, type RunState } from '../../model/state.ts';
import type { PreparedJob } from '../../runs/prepare.ts';
import type { RunReport } from '../../runs/report.ts';
import type { Services } from '../../runs/services.ts';
import { LiveText, progressLine } from '../progress.ts';
import { describeRun } from '../summary.ts';
import { type Invocation, type Verb, withServices } from '../verb.ts';
import { ENQUEUE_OPTIONS, enqueueOptions, prepare } from './enqueue.ts';

const WATCH_EVERY_MS = 250;
/** States in which there is something to verify. */
const LOADED: ReadonlySet<string> = new Set<RunState>(['succeeded', 'completed_with_rejects']);

export const run: Verb = {
  usage: 'run <job>',
  summary: 'enqueue and work in this process, and tell how it ended',
  options: [...ENQUEUE_OPTIONS, ['--verify', 'then prove that what was read is in the tables, bit for bit']],
  example: 'dray run legal-samples --verify',
  async run(invocation) {
    return runPrepared(invocation, await prepare(invocation));
  },
};

/** Enqueues, works until the run has ended, and tells how. @returns the exit code */
export async function runPrepared(invocation: Invocation, prepared: PreparedJob): Promise<number> {
  const { config, options, out, signal } = invocation;
  const report = await withServices(invocation, { loads: config.concurrency }, async (services) => {
    const [{ openQueue }, producer, { work }, { RunKeeper }] = await Promise.all([
      import('../../runs/services.ts'),
      import('../../runs/enqueue.ts'),
      import('../../runs/worker/work.ts'),
      import('../../runs/keeper.ts'),
    ]);
    const boss = await openQueue(services, { supervise: true });
    const keeper = new RunKeeper();
    services.closers.add(() => keeper.close());
    const enqueued = await producer.enqueue(services, boss, prepared, { ...enqueueOptions(options), keeper, signal });
    for (const warning of enqueued.warnings ?? []) out.note(`Warning: ${warning}`);
    const ended = new AbortController();
    await Promise.all([
      watch(services, enqueued.run, invocation, keeper).finally(() => ended.abort()),
      work(services, boss, AbortSignal.any([signal, ended.signal])),
    ]);
    const { countTable } = await import('../../runs/report.ts');
    if (options.verify === true && LOADED.has((await currentReport(services, enqueued.run)).state)) {
      const { verifyRun } = await import('../../runs/verify/verify.ts');
      await verifyRun(services, enqueued.run, { sample: 0, signal });
    }
    // Read once more: by now the worker has given back what it could not finish.
    const final = await currentReport(services, enqueued.run);
    const tables = await Promise.all(prepared.targets.map(({ name }) => countTable(services.target, name)));
    return { ...final, tables };
  });
  out.answer(report, () => describeRun(report, report.tables));
  if (report.verification?.ok === false) return EXIT.failures;
  if (report.state === 'succeeded') return EXIT.done;
  return signal.aborted && !isEnded(report) ? EXIT.interrupted : EXIT.failures;
}

/** Somebody has paused it, or its failures have: this process has nothing more to do for it. */
function isAtRest({ state, partitions }: RunReport): boolean {
  return state === 'paused' && partitions.running === 0;
}

/** Shows the progress until the run has ended or the process is asked to stop. @param keeper closed when all is read */
async function watch(
  services: Services,
  id: number,
  { signal, out }: Invocation,
  keeper: { close(): Promise<void> },
): Promise<void> {
  const line = new LiveText(out);
  for (;;) {
    const report = await currentReport(services, id);
    line.show(progressLine(report));
    // The end of the run may wait for what is kept: an index that is built concurrently, a table that is exchanged.
    if (report.state === 'finalizing') await keeper.close();
    if (signal.aborted || isEnded(report) || isAtRest(report)) {
      line.clear();
      return;
    }
    await pause(WATCH_EVERY_MS, signal);
  }
}

async function currentReport({ db }: Services, id: number): Promise<RunReport> {
  const [{ reportRun }, { runProgress }] = await Promise.all([
    import('../../runs/report.ts'),
    import('../../control/views.ts'),
  ]);
  return reportRun(db, (await runProgress(db, id))!);
}

function isEnded({ state }: RunReport): boolean {
  return ENDED.some((ended) => ended === state);
}
