import { DrayageError, EXIT } from '../../base/errors.ts';
import { parseRejectLimit } from '../../model/limits.ts';
import { plural } from '../format.ts';
import { type Invocation, PARAM_OPTION, paramsOf, type Verb, wholeNumber, withServices } from '../verb.ts';

export const ENQUEUE_OPTIONS = [
  [...PARAM_OPTION],
  ['--force', 'load again what is in the table already'],
  ['--max-rejects <n>', 'rejects that a partition may have before it fails: a number, or a share such as 1%'],
  ['--priority <n>', 'runs of a higher one go first (default: 0)'],
  [
    '--run-concurrency <n>',
    'transactions that may load the run at the same time (default: as many as there are workers)',
  ],
] as const satisfies Verb['options'];

export const enqueue: Verb = {
  usage: 'enqueue [job]',
  summary: 'plan a run and put its partitions into the queue',
  options: [...ENQUEUE_OPTIONS, ['--resume <run>', 'plan the rest of a run whose "dray enqueue" was cut short']],
  example: 'dray enqueue legal-samples --param path=data/legal',
  async run(invocation) {
    const { options, out, signal } = invocation;
    const resumed = resumedRun(invocation);
    const prepared = resumed === undefined ? await prepare(invocation) : undefined;
    const enqueued = await withServices(invocation, {}, async (services) => {
      const [runs, producer] = await Promise.all([import('../../runs/services.ts'), import('../../runs/enqueue.ts')]);
      const boss = await runs.openQueue(services, { supervise: false });
      if (!prepared) return producer.resumePlanning(services, boss, resumed!, signal);
      return producer.enqueue(services, boss, prepared, { ...enqueueOptions(options), signal });
    });
    const { run, partitions, pending, skipped, failed, added, snapshot, warnings = [] } = enqueued;
    for (const warning of warnings) out.note(`Warning: ${warning}`);
    out.answer(enqueued, () => {
      const what = added === undefined ? [] : [`${plural(added, 'partition')} added`];
      const parts = [...what, `${plural(pending, 'partition')} ${added === undefined ? 'enqueued' : 'to load'}`];
      if (skipped > 0) parts.push(`${skipped} unchanged`);
      if (failed > 0) parts.push(`${failed} that cannot be loaded`);
      const next = pending > 0 ? `"dray work" loads them` : 'Nothing is left to load';
      const moments =
        snapshot === 'partition' && pending > 1 ? ' Each partition sees the moment at which it is read.' : '';
      return `Run ${run}: ${parts.join(', ')}, of ${partitions}.${moments} ${next}; "dray status ${run}" shows how far it is.`;
    });
    return failed > 0 ? EXIT.failures : EXIT.done;
  },
};

/** @returns undefined for a new run @throws USAGE unless there is either a job or a run */
function resumedRun({ args: [job], options }: Invocation): number | undefined {
  if (options.resume === undefined) {
    if (job !== undefined) return undefined;
    throw new DrayageError('USAGE', 'No job is named', { hint: 'Write dray enqueue JOB; "dray jobs" lists them.' });
  }
  const run = wholeNumber(options.resume, '--resume');
  const others = ['param', 'force', 'maxRejects', 'priority', 'runConcurrency'].filter((name) => name in options);
  if (job === undefined && others.length === 0) return run;
  throw new DrayageError('USAGE', 'A run is resumed as it was begun, without a job and other options', {
    hint: `Write dray enqueue --resume ${run}.`,
  });
}

/** @throws USAGE */
export function enqueueOptions({ force, maxRejects, priority, runConcurrency }: Invocation['options']) {
  if (maxRejects !== undefined && !parseRejectLimit(String(maxRejects))) {
    throw new DrayageError('USAGE', `--max-rejects is "${maxRejects}"`, {
      hint: 'Give a whole number, or a share such as 1%.',
    });
  }
  if (priority !== undefined && !/^-?\d{1,9}$/.test(String(priority))) {
    throw new DrayageError('USAGE', `--priority is "${priority}"`, { hint: 'Give a whole number.' });
  }
  return {
    force: force === true,
    maxRejects: maxRejects as string | undefined,
    priority: priority === undefined ? undefined : Number(priority),
    concurrency: runConcurrency === undefined ? undefined : wholeNumber(runConcurrency, '--run-concurrency'),
  };
}

/** The job of the command line with its parameters; everything that can be wrong about them is found out here. */
export async function prepare({ args, options, config }: Invocation) {
  const [{ loadJob }, { resolveParams }, { prepareJob }] = await Promise.all([
    import('../../runs/load-jobs.ts'),
    import('../../model/params.ts'),
    import('../../runs/prepare.ts'),
  ]);
  const loaded = await loadJob(config.root, args[0]!);
  return prepareJob(loaded, resolveParams(loaded.job, paramsOf(options), process.env));
}
