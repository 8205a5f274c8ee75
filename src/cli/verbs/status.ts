import { DrayageError, EXIT } from '../../base/errors.ts';
import type { RunProgress } from '../../control/views.ts';
import type { Services } from '../../runs/services.ts';
import { count, duration, plural, state, table } from '../format.ts';
import { describeRun } from '../summary.ts';
import { type Invocation, type Verb, wholeNumber, withServices } from '../verb.ts';

const RUNS_SHOWN = 20;

export const status: Verb = {
  usage: 'status [run]',
  summary: 'show one run, or the latest runs and the workers',
  example: 'dray status 12',
  async run(invocation) {
    return withServices(invocation, {}, async (services) => {
      const [given] = invocation.args;
      await (given === undefined ? showAll(services, invocation) : showOne(services, invocation, given));
      return EXIT.done;
    });
  },
};

async function showOne({ db }: Services, { out }: Invocation, given: string): Promise<void> {
  const { reportRun } = await import('../../runs/report.ts');
  const report = await reportRun(db, await requireRun(db, given));
  out.answer(report, () => describeRun(report));
}

/** @throws RUN_NOT_FOUND */
export async function requireRun(db: Services['db'], given: string): Promise<RunProgress> {
  const { runProgress } = await import('../../control/views.ts');
  const found = await runProgress(db, wholeNumber(given, 'The run'));
  if (found) return found;
  throw new DrayageError('RUN_NOT_FOUND', `There is no run ${given}`, { hint: '"dray status" lists the latest runs.' });
}

async function showAll({ db }: Services, { out }: Invocation): Promise<void> {
  const [{ reportRun }, { presentWorkers, recentRuns }] = await Promise.all([
    import('../../runs/report.ts'),
    import('../../control/views.ts'),
  ]);
  const found = await recentRuns(db, RUNS_SHOWN);
  const workers = await presentWorkers(db);
  const runs = await Promise.all(found.map((progress) => reportRun(db, progress)));
  out.answer({ runs, workers }, () => {
    if (runs.length === 0) return 'There are no runs yet; "dray jobs" lists what can be run.';
    const list = table(runs, [
      { title: 'run', cell: ({ run }) => String(run), right: true },
      { title: 'job', cell: ({ job }) => job },
      { title: 'state', cell: (run) => state(run.state) },
      { title: 'done', cell: ({ percent }) => `${percent.toFixed(0)} %`, right: true },
      { title: 'partitions', cell: ({ partitions }) => count(partitions.total), right: true },
      { title: 'written', cell: ({ rows }) => count(rows.written), right: true },
      { title: 'rejected', cell: ({ rows }) => count(rows.rejected), right: true },
      { title: 'time', cell: ({ seconds }) => duration(seconds), right: true },
    ]);
    const waiting = workers.flatMap(({ host, pid, held_back }) =>
      held_back === null ? [] : [`  ${host} (${pid}) waits: ${held_back}`],
    );
    return [`${list}\n\n${plural(workers.length, 'worker')} at work`, ...waiting].join('\n');
  });
}
