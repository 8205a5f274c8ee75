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
  usage: 'enqueue <job>',
  summary: 'plan a run and put its partitions into the queue',
  options: ENQUEUE_OPTIONS,
  example: 'dray enqueue legal-samples --param path=data/legal',
  async run(invocation) {
    const prepared = await prepare(invocation);
    const enqueued = await withServices(invocation, {}, async (services) => {
      const [runs, producer] = await Promise.all([import('../../runs/services.ts'), import('../../runs/enqueue.ts')]);
      const boss = await runs.openQueue(services, { supervise: false });
      const options = enqueueOptions(invocation.options);
      return producer.enqueue(services, boss, prepared, { ...options, signal: invocation.signal });
    });
    const { run, partitions, pending, skipped, failed } = enqueued;
    invocation.out.answer(enqueued, () => {
      const parts = [`${plural(pending, 'partition')} enqueued`];
      if (skipped > 0) parts.push(`${skipped} unchanged`);
      if (failed > 0) parts.push(`${failed} that cannot be loaded`);
      const next = pending > 0 ? `"dray work" loads them` : 'Nothing is left to load';
      return `Run ${run}: ${parts.join(', ')}, of ${partitions}. ${next}; "dray status ${run}" shows how far it is.`;
    });
    return failed > 0 ? EXIT.failures : EXIT.done;
  },
};

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
