import { DrayageError, EXIT } from '../../base/errors.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { Boss } from '../../queue/boss.ts';
import type { Services } from '../../runs/services.ts';
import type { Steered } from '../../runs/steer.ts';
import { plural } from '../format.ts';
import { type Invocation, type Verb, wholeNumber, withServices } from '../verb.ts';

type Steer = typeof import('../../runs/steer.ts');

/** Does one thing to the run that is named, and says what came of it. */
async function steer(
  invocation: Invocation,
  act: (steer: Steer, services: Services, boss: Boss, run: number) => Promise<Steered>,
  tell: (steered: Steered) => string,
): Promise<number> {
  const run = wholeNumber(invocation.args[0], 'The run');
  return withServices(invocation, {}, async (services) => {
    const [{ openQueue }, module] = await Promise.all([
      import('../../runs/services.ts'),
      import('../../runs/steer.ts'),
    ]);
    const boss = await openQueue(services, { supervise: false });
    const steered = await act(module, services, boss, run);
    invocation.out.answer(steered, () => tell(steered));
    return EXIT.done;
  });
}

export const pause: Verb = {
  usage: 'pause <run>',
  summary: 'keep workers from a run; what they have begun of it is given back',
  options: [['--drain', 'let what is under way end']],
  example: 'dray pause 12',
  run: (invocation) =>
    steer(
      invocation,
      ({ pauseRun, systemActor }, services, _, run) =>
        pauseRun(services, run, { actor: systemActor(), drain: invocation.options.drain === true }),
      ({ run }) => `Run ${run} is paused. "dray resume ${run}" lets it go on.`,
    ),
};

export const resume: Verb = {
  usage: 'resume <run>',
  summary: 'let a paused run go on',
  example: 'dray resume 12',
  run: (invocation) =>
    steer(
      invocation,
      ({ resumeRun, systemActor }, services, boss, run) => resumeRun(services, boss, run, systemActor()),
      ({ run, state }) => `Run ${run} is ${state}.`,
    ),
};

export const cancel: Verb = {
  usage: 'cancel <run>',
  summary: 'end a run; what is in its tables already stays there',
  example: 'dray cancel 12',
  run: (invocation) =>
    steer(
      invocation,
      ({ cancelRun, systemActor }, services, boss, run) => cancelRun(services, boss, run, systemActor()),
      ({ run, partitions }) => `Run ${run} is cancelled, with ${plural(partitions, 'partition')} that were not loaded.`,
    ),
};

export const retry: Verb = {
  usage: 'retry <run>',
  summary: 'put the failed partitions of a run into the queue again, with the job as it is now',
  options: [
    ['--failed', 'all that failed (the default)'],
    ['--partition <key>', 'only this one'],
  ],
  example: 'dray retry 12 --partition data/b.parquet#rows=1-122880',
  run: (invocation) =>
    steer(
      invocation,
      ({ retryRun, systemActor }, services, boss, run) =>
        retryRun(services, boss, run, {
          actor: systemActor(),
          key: invocation.options.partition as string | undefined,
        }),
      ({ run, partitions, state }) =>
        `Run ${run}: ${plural(partitions, 'partition')} enqueued again. ${state === 'paused' ? `It is paused; "dray resume ${run}" lets it go on.` : `"dray work" loads them; "dray status ${run}" shows how far it is.`}`,
    ),
};

/** Names on the command line, and the columns that they set. */
const SETTINGS = {
  concurrency: 'max_concurrency',
  maxRowsPerSecond: 'max_rows_per_second',
  priority: 'priority',
} as const;
type Setting = keyof typeof SETTINGS;

export const set: Verb = {
  usage: 'set <what> <settings...>',
  summary: 'change how a run is carried out, while it is; or how many transactions may fill a table',
  example: 'dray set 12 concurrency=4 maxRowsPerSecond=none; dray set legal_samples concurrency=2',
  async run(invocation) {
    const [what, ...rest] = invocation.args.flat() as string[];
    const settings = readSettings(rest);
    if (/^\d+$/.test(what!)) return setRun(invocation, settings);
    return setTable(invocation, what!, settings);
  },
};

function setRun(invocation: Invocation, settings: Map<Setting, number | null>): Promise<number> {
  const columns = Object.fromEntries([...settings].map(([name, value]) => [SETTINGS[name], value]));
  if (columns.priority === null) columns.priority = 0;
  return steer(
    invocation,
    (module, services, _, run) => module.setRun(services, run, columns, module.systemActor()),
    ({ run }) => `Run ${run}: ${describe(settings)}.`,
  );
}

async function setTable(invocation: Invocation, table: string, settings: Map<Setting, number | null>): Promise<number> {
  const concurrency = settings.get('concurrency');
  if (concurrency === undefined || settings.size > 1) {
    throw new DrayageError('USAGE', 'A table has one setting: concurrency', {
      hint: `Write dray set ${table} concurrency=2, or name a run by its number.`,
    });
  }
  return withServices(invocation, {}, async (services) => {
    const module = await import('../../runs/steer.ts');
    await module.setTable(services, table, concurrency);
    invocation.out.answer({ table, concurrency }, () => `Table ${table}: ${describe(settings)}, over all runs.`);
    return EXIT.done;
  });
}

/** @throws USAGE */
function readSettings(given: readonly string[]): Map<Setting, number | null> {
  const names = Object.keys(SETTINGS);
  return new Map(
    given.map((text) => {
      const [name = '', value = ''] = text.split('=');
      if (!names.includes(name)) {
        throw new DrayageError('USAGE', `There is no setting "${name}".${didYouMean(name, names)}`, {
          hint: `Write name=value with one of ${names.join(', ')}; none lifts a limit.`,
        });
      }
      if (value === 'none') return [name as Setting, null];
      if (name === 'priority' && /^-?\d{1,9}$/.test(value)) return ['priority', Number(value)];
      return [name as Setting, wholeNumber(value, name)];
    }),
  );
}

const describe = (settings: Map<Setting, number | null>): string =>
  [...settings].map(([name, value]) => `${name} ${value ?? 'without a limit'}`).join(', ');
