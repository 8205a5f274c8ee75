import { DrayageError, EXIT } from '../../base/errors.ts';
import { parseJson } from '../../base/json.ts';
import type { KeptReject, RejectGroup } from '../../control/rejects.ts';
import type { Services } from '../../runs/services.ts';
import { count, plural, table } from '../format.ts';
import { type Invocation, type Verb, wholeNumber, withServices } from '../verb.ts';
import { requireRun } from './status.ts';

const RAW_SHOWN = 100;

export const rejects: Verb = {
  usage: 'rejects [run]',
  summary: 'show the rows that a run could not load, and why (default: the latest run)',
  options: [
    ['--summary', 'count by table, column and reason'],
    ['--limit <n>', 'at most so many rows (default: 50)'],
    ['--export <file>', 'write all of them to a .jsonl or .parquet file'],
    ['--replay', 'load these rows once more, after the cause is mended, and no others'],
    ['--force', 'with --replay: also in the place of rows that may be newer'],
  ],
  example: 'dray rejects 12 --summary',
  async run(invocation) {
    const { options, out, signal } = invocation;
    const limit = wholeNumber(options.limit ?? 50, '--limit');
    assertOne(options);
    return withServices(invocation, {}, async (services) => {
      const { db } = services;
      const { listRejects, summariseRejects } = await import('../../control/rejects.ts');
      const run = await chosenRun(db, invocation);
      if (options.replay === true) return replay(services, run, invocation);
      if (options.export !== undefined) {
        const { exportRejects } = await import('../../runs/export-rejects.ts');
        const file = String(options.export);
        const written = await exportRejects(services, run, file, signal);
        out.answer(
          { run, file, rejects: written },
          () => `${plural(written, 'reject')} of run ${run} written to ${file}.`,
        );
        return EXIT.done;
      }
      const groups = await summariseRejects(db, run);
      const found = options.summary ? [] : await listRejects(db, run, limit);
      const documents = options.summary ? {} : { rejects: found.map(asDocument) };
      out.answer({ run, summary: groups, ...documents }, () => {
        if (groups.length === 0) return `Run ${run} has no rejects.`;
        return options.summary ? summaryTable(groups) : rejectTable(found);
      });
      return EXIT.done;
    });
  },
};

/** @throws USAGE for options of which one would be passed over */
function assertOne(options: Invocation['options']): void {
  const given = ['summary', 'export', 'replay'].filter((name) => options[name] !== undefined);
  if (given.length > 1) {
    throw new DrayageError('USAGE', `--${given[0]} and --${given[1]} do not go together`, {
      hint: 'Use one of them at a time.',
    });
  }
  if (options.force && !options.replay) {
    throw new DrayageError('USAGE', '--force is about --replay', { hint: 'Write dray rejects RUN --replay --force.' });
  }
}

async function replay(services: Services, run: number, { options, out, signal }: Invocation): Promise<number> {
  const { replayRejects } = await import('../../runs/replay.ts');
  const replayed = await replayRejects(services, run, { force: options.force === true }, signal);
  out.answer(replayed, () => {
    const { loaded, left_out, newer, rejected, unnumbered } = replayed;
    if (loaded + left_out + rejected === 0) return `Run ${run} has no rejects.`;
    const lines = [`Run ${run}: ${plural(loaded, 'row')} loaded after all, ${count(rejected)} still rejected.`];
    if (left_out > 0) lines.push(`The transform now leaves out ${plural(left_out, 'row')}.`);
    if (newer > 0) {
      lines.push(
        `${plural(newer, 'row')} ${newer === 1 ? 'was' : 'were'} left alone: newer rows with the same keys may be in the table, from further down in the file or from later runs. "dray rejects ${run} --replay --force" puts these in their place.`,
      );
    }
    if (unnumbered > 0) {
      lines.push(
        `${plural(unnumbered, 'row')} cannot be found again in the source: the transform does not keep rows apart.`,
      );
    }
    if (rejected > 0) lines.push(`"dray rejects ${run}" shows what is left and why.`);
    return lines.join('\n');
  });
  return replayed.rejected > 0 ? EXIT.failures : EXIT.done;
}

/** The run that is named, or the latest. @throws RUN_NOT_FOUND */
export async function chosenRun(db: Services['db'], { args }: Invocation): Promise<number> {
  const [given] = args;
  if (given !== undefined) return (await requireRun(db, given)).run;
  const { latestRun } = await import('../../control/runs.ts');
  const latest = await latestRun(db);
  if (latest) return latest.id;
  throw new DrayageError('RUN_NOT_FOUND', 'There are no runs yet', { hint: '"dray run JOB" makes one.' });
}

function asDocument({ partition, file, table_name, row_number, column_name, reason, message, raw }: KeptReject) {
  const row = parseJson(raw);
  return { partition, file, table: table_name, row: row_number, column: column_name, reason, message, raw: row };
}

function rejectTable(rows: readonly KeptReject[]): string {
  return table(rows, [
    { title: 'file', cell: ({ file }) => file },
    { title: 'row', cell: ({ row_number: row }) => (row === null ? '?' : count(row)), right: true },
    { title: 'column', cell: ({ column_name }) => column_name ?? '' },
    { title: 'reason', cell: ({ message }) => message },
    { title: 'raw', cell: ({ raw }) => raw.slice(0, RAW_SHOWN) },
  ]);
}

function summaryTable(groups: readonly RejectGroup[]): string {
  return table(groups, [
    { title: 'rows', cell: ({ rows }) => count(rows), right: true },
    { title: 'table', cell: ({ table_name }) => table_name ?? '' },
    { title: 'column', cell: ({ column_name }) => column_name ?? '' },
    { title: 'reason', cell: ({ reason }) => reason },
    { title: 'example', cell: ({ example }) => example },
  ]);
}
