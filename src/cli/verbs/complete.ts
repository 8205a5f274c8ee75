import { EXIT } from '../../base/errors.ts';
import type { Verb } from '../verb.ts';

type Candidate = readonly [value: string, description: string];

const EVERYWHERE: readonly Candidate[] = [
  ['--json', 'print one JSON document on standard output'],
  ['--verbose', 'show where an error came from'],
  ['--help', 'show what the command takes'],
];

/** What may stand in place of the last word, one a line; nothing where the shell knows better: names of files. */
export const complete: Verb = {
  usage: 'complete [words...]',
  summary: 'for the scripts of "dray completion"',
  example: 'dray complete -- run leg',
  hidden: true,
  async run({ args, config, out, verbs }) {
    const words = (args[0] as unknown as string[] | undefined) ?? [];
    const last = words.at(-1) ?? '';
    const found = (await candidates(words, verbs, config.root)).filter(([value]) => value.startsWith(last));
    out.answer(
      found.map(([value, description]) => ({ value, description })),
      () => found.map((candidate) => candidate.join('\t')).join('\n'),
    );
    return EXIT.done;
  },
};

async function candidates(
  words: readonly string[],
  verbs: readonly Verb[],
  root: string,
): Promise<readonly Candidate[]> {
  if (words.length < 2)
    return verbs.filter(({ hidden }) => !hidden).map(({ usage, summary }) => [nameOf(usage), summary]);
  const verb = verbs.find(({ usage }) => nameOf(usage) === words[0]);
  if (!verb) return [];
  const [last, before] = [words.at(-1)!, words.at(-2)!];
  const options = (verb.options ?? []).map(([flags, description]): Candidate => [nameOf(flags), description]);
  if (last.startsWith('-')) return [...options, ...EVERYWHERE];
  if (before === '--param' && takesJob(verb)) return params(words[1]!, root);
  const known = verb.values?.[before];
  if (known) return known.map((value) => [value, '']);
  const takesValue = (verb.options ?? []).some(([flags]) => nameOf(flags) === before && flags.includes('<'));
  if (takesValue || words.length > 2) return [];
  if (takesJob(verb)) return jobs(root);
  const argument = /[<[](\w+)/.exec(verb.usage)?.[1] ?? '';
  return (verb.values?.[argument] ?? []).map((value) => [value, '']);
}

function nameOf(usage: string): string {
  return usage.split(' ')[0]!;
}

function takesJob({ usage }: Verb): boolean {
  return usage.includes('<job>');
}

async function jobs(root: string): Promise<Candidate[]> {
  const { jobNames } = await import('../../runs/job-names.ts');
  return (await jobNames(root)).map((name) => [name, '']);
}

async function params(job: string, root: string): Promise<Candidate[]> {
  const { loadJob } = await import('../../runs/load-jobs.ts');
  const loaded = await loadJob(root, job).catch(() => undefined);
  return Object.entries(loaded?.job.params ?? {}).map(([name, { help, type }]) => [`${name}=`, help ?? type]);
}
