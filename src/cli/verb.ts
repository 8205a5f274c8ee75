import type { Config, LogLevel } from '../base/config.ts';
import { DrayageError } from '../base/errors.ts';
import { createEvents } from '../base/events.ts';
import type { Services } from '../runs/services.ts';
import type { Output } from './output.ts';

/** What a verb is given. */
export interface Invocation {
  args: (string | undefined)[];
  options: Record<string, unknown>;
  config: Config;
  out: Output;
  signal: AbortSignal;
  /** All that there are, for a verb about verbs. */
  verbs: readonly Verb[];
}

/** One command of `dray`. Modules that take time to load are imported inside `run`. */
export interface Verb {
  /** With its arguments, as commander writes them: `plan <job>`. */
  usage: string;
  summary: string;
  options?: readonly [flags: string, description: string][];
  example: string;
  /** What an argument or an option may be, by its name in `usage` or its flag; for the shell's completion. */
  values?: Readonly<Record<string, readonly string[]>>;
  /** Not in the help: for programs. */
  hidden?: true;
  /** @returns the exit code */
  run(invocation: Invocation): Promise<number>;
}

/** `--param` as every verb that takes a job offers it. */
export const PARAM_OPTION = ['--param <key=value...>', 'value of a parameter of the job; may be repeated'] as const;

/** @throws PARAM_INVALID */
export function paramsOf(options: Record<string, unknown>): Record<string, string> {
  const given = (options.param as string[] | undefined) ?? [];
  const pairs = given.map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
    throw new DrayageError('PARAM_INVALID', `"${text}" is not a parameter`, { hint: 'Write --param key=value.' });
  });
  return Object.fromEntries(pairs);
}

/** @throws USAGE */
export function wholeNumber(text: unknown, name: string): number {
  if (/^[1-9]\d{0,8}$/.test(String(text))) return Number(text);
  throw new DrayageError('USAGE', `${name} is "${text}"`, { hint: 'Give a whole number of at least 1.' });
}

/**
 * Connects, hands the services to `use`, and closes everything whatever happens.
 * @param loads partitions that this process loads at the same time, each on a connection of its own
 * @param schema whether the control schema is made, or brought up to date, first
 */
export async function withServices<Result>(
  { config, out }: Invocation,
  { loads = 0, logLevel = 'warn', schema = true }: { loads?: number; logLevel?: LogLevel; schema?: boolean },
  use: (services: Services) => Promise<Result>,
): Promise<Result> {
  const [{ openServices, ensureSchema }, { createLog, logEvents }] = await Promise.all([
    import('../runs/services.ts'),
    import('../base/log.ts'),
  ]);
  const events = createEvents();
  logEvents(events, createLog(config.logLevel ?? logLevel));
  events.on('embeddedStarted', ({ url, recovered }) => {
    out.note(`Embedded Postgres ${recovered ? 'recovered' : 'started'}: ${url} ("dray db open" for psql)`);
  });
  const services = await openServices(config, { events, loads });
  try {
    if (schema) await ensureSchema(services);
    return await use(services);
  } finally {
    await services.closers.close();
  }
}
