import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { readConfig } from '../base/config.ts';
import { DrayageError, EXIT } from '../base/errors.ts';
import { shutdownSignal } from '../base/lifecycle.ts';
import { Output } from './output.ts';
import type { Verb } from './verb.ts';
import { VERBS } from './verbs/index.ts';

const VERSION: string = createRequire(import.meta.url)('../../package.json').version;

const FIRST_STEPS = '"dray init" writes a job from the columns of a file, "dray run JOB" loads it; docs/quick-start.md';

const EXIT_CODES =
  'Exit codes: 0 done, 1 finished with failures or rejects, 2 wrong usage, 3 a service is out of reach, 130 interrupted.';

/**
 * Runs one command line.
 * @param argv without the program's name
 * @returns the exit code; the only place where one is decided
 */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', ignoreClosed);
  const out = new Output({ json: argv.includes('--json'), verbose: argv.includes('--verbose') });
  try {
    return await parse(argv, out);
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      const { databaseError, isOfServer } = await import('../postgres/errors.ts');
      return out.failure(isOfServer(error) ? databaseError(error) : error);
    }
    return error.exitCode === 0 ? EXIT.done : out.failure(misuse(error, argv));
  }
}

/** Whoever reads may have enough before the end, as `head` does: what is under way goes on all the same. */
function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** What the parser of the command line has to say, as all other errors are said. */
function misuse({ message }: CommanderError, argv: readonly string[]): DrayageError {
  const said = message
    .replace(/^error: ./, (first) => first.at(-1)!.toUpperCase())
    .replace(/\n\(Did you mean (.*)\?\)$/, '. Did you mean "$1"?')
    .replaceAll("'", '"')
    .replace(/^Missing required argument "(.*)"/, 'The $1 is missing');
  const verb = VERBS.find(({ usage }) => usage.split(' ')[0] === argv[0]);
  const hint = verb
    ? `Write ${verb.example}; "dray ${argv[0]} --help" shows the rest.`
    : '"dray --help" shows what there is.';
  return new DrayageError('USAGE', said, { hint });
}

async function parse(argv: readonly string[], out: Output): Promise<number> {
  let exit: number = EXIT.done;
  const program = new Command('dray')
    .description('Hauls data into Postgres as durable background jobs, exactly once.')
    .version(VERSION)
    .addHelpText('after', `\nNew here: ${FIRST_STEPS}\n${EXIT_CODES}`)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const verb of VERBS) {
    addVerb(program, verb, async (args, options) => {
      const config = readConfig(process.env, projectRoot(process.cwd()));
      exit = await verb.run({ args, options, config, out, signal: shutdownSignal(), verbs: VERBS });
    });
  }
  if (argv.length === 0) {
    program.outputHelp();
    return EXIT.usage;
  }
  await program.parseAsync(argv, { from: 'user' });
  return exit;
}

function addVerb(
  program: Command,
  verb: Verb,
  action: (args: (string | undefined)[], options: Record<string, unknown>) => Promise<void>,
): void {
  const command = program
    .command(verb.usage, { hidden: verb.hidden === true })
    .description(verb.summary)
    .option('--json', 'print one JSON document on standard output')
    .option('--verbose', 'show where an error came from')
    .addHelpText('after', `\nExample:\n  ${verb.example}`)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const [flags, description] of verb.options ?? []) command.option(flags, description);
  command.action((...given: unknown[]) => {
    const options = given.at(-2) as Record<string, unknown>;
    return action(given.slice(0, -2) as (string | undefined)[], options);
  });
}

/** The nearest folder upwards that has a `jobs` folder, else the current one. */
function projectRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'jobs'))) return folder;
    if (folder === dirname(folder)) return from;
  }
}
