import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { DrayageError, EXIT } from '../../base/errors.ts';
import type { Draft, DraftRequest } from '../../runs/draft/job.ts';
import { table } from '../format.ts';
import { type Invocation, type Verb, withServices } from '../verb.ts';

export const init: Verb = {
  usage: 'init [name]',
  summary:
    'write a job from the columns of files or of a table, ready to run; asks on a terminal for what is not given',
  options: [
    ['--from <files>', 'a file, a folder, a glob or s3://bucket/prefix'],
    ['--from-table <table>', 'in its place: a table of Postgres, as SQL has it'],
    [
      '--database <variable>',
      'environment variable with the URL of the database of --from-table (default: DATABASE_URL)',
    ],
    ['--to <table>', 'the table to fill (default: named like the source); its DDL is written when it is absent'],
    ['--key <columns>', "columns that tell rows apart, with commas between (default: the table's; none: append)"],
    ['--overwrite', 'replace files that are there'],
  ],
  example: 'dray init orders --from data/orders.csv --key id',
  async run(invocation) {
    const { config, options, out, signal } = invocation;
    const request = await complete(invocation);
    const draft = await withServices(invocation, { schema: false }, async (services) => {
      const { draftJob } = await import('../../runs/draft/job.ts');
      return draftJob(services, request, signal);
    });
    const there = draft.files.filter(({ path }) => existsSync(join(config.root, path))).map(({ path }) => path);
    if (there.length > 0 && options.overwrite !== true) {
      throw new DrayageError('USAGE', `${there.join(' and ')} ${there.length > 1 ? 'are' : 'is'} there already`, {
        hint: 'Give another name, or say --overwrite.',
      });
    }
    for (const { path, text } of draft.files) {
      const file = join(config.root, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    if (!resolves(config.root)) {
      out.note(`Jobs import the package "drayage", which cannot be found from ${config.root}: install it there.`);
    }
    const { job, to, key, columns, unfilled, files } = draft;
    out.answer({ job, to, key, columns, unfilled, files: files.map(({ path }) => path) }, () => describe(draft));
    return EXIT.done;
  },
};

/** What the options say, and on a terminal what the user answers. @throws USAGE */
async function complete({ args, options, signal }: Invocation): Promise<DraftRequest> {
  const { from, fromTable, database, to, key } = options as Record<string, string | undefined>;
  if (from !== undefined && fromTable !== undefined) {
    throw new DrayageError('USAGE', '--from and --from-table are both given', { hint: 'A job has one source.' });
  }
  const request = (origin: DraftRequest['from'], target: string | undefined, keys: string | undefined) => {
    const columns = keys?.split(',').map((name) => name.trim());
    return { name: args[0], from: origin, to: target, key: columns?.filter((name) => name !== '') };
  };
  if (fromTable !== undefined) return request({ kind: 'table', table: fromTable, database }, to, key);
  if (from !== undefined) return request({ kind: 'files', path: from }, to, key);
  if (!process.stdin.isTTY) {
    throw new DrayageError('USAGE', 'Neither --from nor --from-table is given', { hint: `Write ${init.example}.` });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ask = async (question: string) => (await terminal.question(question, { signal })).trim();
    const path = await ask('Files to load (a file, folder, glob or s3:// prefix): ');
    if (path === '') throw new DrayageError('USAGE', 'No files are given', { hint: `Write ${init.example}.` });
    const target = to ?? ((await ask('Table to fill (empty: named like the files): ')) || undefined);
    const keys = key ?? ((await ask('Columns that tell rows apart, such as id (empty: append): ')) || undefined);
    return request({ kind: 'files', path }, target, keys);
  } finally {
    terminal.close();
  }
}

/** Whether a job in the project finds the package that it imports. */
function resolves(root: string): boolean {
  try {
    createRequire(join(root, 'jobs/job.ts')).resolve('drayage');
    return true;
  } catch {
    return false;
  }
}

function describe({ job, to, key, columns, unfilled, files }: Draft): string {
  const lines = [
    table(columns, [
      { title: 'source', cell: ({ source }) => source },
      { title: to, cell: ({ column }) => column ?? '' },
      { title: 'type', cell: ({ column, type }) => (column === undefined ? 'left out' : type) },
    ]),
    '',
    ...files.map(({ path }) => `Written: ${path}`),
  ];
  if (unfilled.length > 0) lines.push(`Left to their defaults: ${unfilled.join(', ')}`);
  lines.push(
    key.length > 0
      ? `Rows with the same ${key.join(', ')} are replaced.`
      : 'Rows are appended; with --key, those that are there would be replaced.',
    `Next: "dray plan ${job}" shows what it would do, "dray run ${job}" does it.`,
  );
  return lines.join('\n');
}
