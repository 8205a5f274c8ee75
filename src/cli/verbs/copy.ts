import { DrayageError } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import { MODES, type Mode } from '../../model/modes.ts';
import type { CopyRequest } from '../../runs/copy-job.ts';
import { PARAM_OPTION, paramsOf, type Verb } from '../verb.ts';
import { ENQUEUE_OPTIONS } from './enqueue.ts';
import { runPrepared } from './run.ts';

export const copy: Verb = {
  usage: 'copy [files]',
  summary: 'carry files, a table or a query into a table without writing a job; it is made when it is absent',
  options: [
    ['--table <table>', 'in place of files: a table or a view, as SQL has it'],
    ['--query <sql>', 'in place of files: what a query gives'],
    ['--from <variable>', 'the database of that table or query: the variable that holds its connection string'],
    ['--to <table>', 'the table, as SQL has it: orders, or sales.orders'],
    ['--key <columns>', 'columns of its key, with commas between; rows with a known key are replaced'],
    [
      '--mode <mode>',
      `${MODES.filter((mode) => mode !== 'merge').join(', ')} (default: upsert with a key, else append)`,
    ],
    [PARAM_OPTION[0], 'option of the source, such as partitionRows=100000; may be repeated'],
    ...ENQUEUE_OPTIONS.slice(1),
  ],
  values: { '--mode': MODES.filter((mode) => mode !== 'merge') },
  example: 'dray copy exports/orders.parquet --to orders --key id',
  async run(invocation) {
    const { args, options, config } = invocation;
    const [{ loadJob }, { prepareJob }, { copyPath }] = await Promise.all([
      import('../../runs/load-jobs.ts'),
      import('../../runs/prepare.ts'),
      import('../../runs/copy-job.ts'),
    ]);
    if (typeof options.to !== 'string' || options.to === '') {
      throw new DrayageError('USAGE', 'The table is missing', { hint: `Write ${copy.example}.` });
    }
    const key = typeof options.key === 'string' ? options.key.split(',').map((name) => name.trim()) : [];
    const path = copyPath({
      source: sourceOf(args[0], options),
      to: options.to,
      key,
      mode: modeOf(options.mode),
      options: paramsOf(options),
    });
    return runPrepared(invocation, prepareJob(await loadJob(config.root, path), {}));
  },
};

/** @throws USAGE */
function sourceOf(files: string | undefined, options: Record<string, unknown>): CopyRequest['source'] {
  const { table, query, from } = options as Record<string, string | undefined>;
  const refused = (message: string, hint: string) => new DrayageError('USAGE', message, { hint });
  if ([files, table, query].filter((given) => given !== undefined).length !== 1) {
    throw refused('One source is needed', `Give files, --table or --query: ${copy.example}.`);
  }
  if ([files, from].some((given) => given !== undefined && /^postgres(ql)?:/i.test(given))) {
    throw refused(
      'A connection string would be seen by everybody who can list processes, and be kept with the run',
      'Put it into a variable of the environment, and name that: --from SHOP_DATABASE_URL --table orders.',
    );
  }
  if (files === undefined)
    return { ...(table === undefined ? { query: query! } : { table }), ...(from ? { database: from } : {}) };
  if (from !== undefined) throw refused('--from is the database of a table or a query', 'Leave it out for files.');
  return files;
}

/** @throws USAGE */
function modeOf(given: unknown): Mode | undefined {
  if (given === undefined || MODES.some((mode) => mode === given && mode !== 'merge')) return given as Mode | undefined;
  const hint =
    given === 'merge'
      ? 'A merge deletes what the source does not have: write a job that says complete: true.'
      : `Use ${MODES.filter((mode) => mode !== 'merge').join(', ')}.`;
  throw new DrayageError('USAGE', `--mode is "${given}".${didYouMean(String(given), MODES)}`, { hint });
}
