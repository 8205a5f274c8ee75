import { DrayageError, EXIT } from '../../base/errors.ts';
import { pause } from '../../base/lifecycle.ts';
import type { RunProgress, WorkerStatus } from '../../control/views.ts';
import { ENDED } from '../../model/state.ts';
import type { RunReport } from '../../runs/report.ts';
import type { Services } from '../../runs/services.ts';
import { ago, count, duration, plural, state, table } from '../format.ts';
import { LiveText, progressLine } from '../progress.ts';
import { describeRun } from '../summary.ts';
import { type Invocation, type Verb, wholeNumber, withServices } from '../verb.ts';

const RUNS_SHOWN = 20;
const WATCH_EVERY_MS = 1_000;

export const status: Verb = {
  usage: 'status [run]',
  summary: 'show one run, or the latest runs and the workers',
  options: [['--watch', 'look again every second until the run, or all of them, have ended']],
  example: 'dray status 12 --watch',
  async run(invocation) {
    return withServices(invocation, {}, async (services) => {
      const [given] = invocation.args;
      return given === undefined ? showAll(services, invocation) : showOne(services, invocation, given);
    });
  },
};

async function showOne({ db }: Services, { out, options, signal }: Invocation, given: string): Promise<number> {
  const { reportRun } = await import('../../runs/report.ts');
  const look = async () => reportRun(db, await requireRun(db, given));
  if (options.watch !== true) {
    const report = await look();
    out.answer(report, () => describeRun(report));
    return EXIT.done;
  }
  const draw = (report: RunReport) =>
    [`${progressLine(report)}\n${describeRun(report)}`, progressLine(report)] as const;
  const report = await watch(look, isOpen, draw, { out, signal });
  out.answer(report, () => describeRun(report));
  if (isOpen(report)) return EXIT.interrupted;
  return report.state === 'succeeded' ? EXIT.done : EXIT.failures;
}

interface Overview {
  runs: (RunReport & { created_at: Date })[];
  workers: WorkerStatus[];
}

async function showAll({ db }: Services, { out, options, signal }: Invocation): Promise<number> {
  const [{ reportRun }, { presentWorkers, recentRuns }] = await Promise.all([
    import('../../runs/report.ts'),
    import('../../control/views.ts'),
  ]);
  const look = async (): Promise<Overview> => {
    const [found, workers] = await Promise.all([recentRuns(db, RUNS_SHOWN), presentWorkers(db)]);
    const withDate = async (progress: RunProgress) => {
      return { ...(await reportRun(db, progress)), created_at: progress.created_at };
    };
    return { runs: await Promise.all(found.map(withDate)), workers };
  };
  const anyOpen = ({ runs }: Overview) => runs.some(isOpen);
  const draw = (overview: Overview) => {
    const plain = overview.runs.filter(isOpen).map((run) => `run ${run.run} of ${run.job}: ${progressLine(run)}`);
    return [describeAll(overview), plain.join('\n')] as const;
  };
  const overview = options.watch === true ? await watch(look, anyOpen, draw, { out, signal }) : await look();
  out.answer(overview, () => describeAll(overview));
  return options.watch === true && anyOpen(overview) ? EXIT.interrupted : EXIT.done;
}

/** Shows what there is again and again, until nothing goes on or the process is asked to stop. @returns what was seen last */
async function watch<Seen>(
  look: () => Promise<Seen>,
  goesOn: (seen: Seen) => boolean,
  draw: (seen: Seen) => readonly [live: string, plain: string],
  { out, signal }: Pick<Invocation, 'out' | 'signal'>,
): Promise<Seen> {
  const live = new LiveText(out);
  for (;;) {
    const seen = await look();
    if (signal.aborted || !goesOn(seen)) {
      live.clear();
      return seen;
    }
    live.show(...draw(seen));
    await pause(WATCH_EVERY_MS, signal);
  }
}

function isOpen(report: RunReport): boolean {
  return !ENDED.some((ended) => ended === report.state);
}

function describeAll({ runs, workers }: Overview): string {
  if (runs.length === 0) return 'There are no runs yet; "dray jobs" lists what can be run.';
  const list = table(runs, [
    { title: 'run', cell: ({ run }) => String(run), right: true },
    { title: 'job', cell: ({ job }) => job },
    { title: 'state', cell: (run) => run.state, style: (text, run) => state(run.state, text) },
    { title: 'done', cell: ({ percent }) => `${percent.toFixed(0)} %`, right: true },
    { title: 'partitions', cell: ({ partitions }) => count(partitions.total), right: true },
    { title: 'failed', cell: ({ partitions }) => count(partitions.failed), right: true },
    { title: 'written', cell: ({ rows }) => count(rows.written), right: true },
    { title: 'rejected', cell: ({ rows }) => count(rows.rejected), right: true },
    { title: 'time', cell: ({ seconds }) => duration(seconds), right: true },
    { title: 'begun', cell: ({ created_at }) => ago(created_at) },
  ]);
  const [newest] = runs;
  const waits = workers.length === 0 && runs.some(isOpen);
  const next = waits ? 'dray work' : `dray status ${newest!.run}`;
  const what = waits ? 'goes on with what is open' : 'tells more about the newest';
  const held = workers.flatMap(({ host, pid, held_back }) => {
    return held_back === null ? [] : [`  ${host} (${pid}) waits: ${held_back}`];
  });
  return [`${list}\n\n${plural(workers.length, 'worker')} at work; "${next}" ${what}.`, ...held].join('\n');
}

/** @throws RUN_NOT_FOUND */
export async function requireRun(db: Services['db'], given: string): Promise<RunProgress> {
  const { runProgress } = await import('../../control/views.ts');
  const found = await runProgress(db, wholeNumber(given, 'The run'));
  if (found) return found;
  throw new DrayageError('RUN_NOT_FOUND', `There is no run ${given}`, { hint: '"dray status" lists the latest runs.' });
}
