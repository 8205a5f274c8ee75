import type { ClientBase } from 'pg';
import { DrayageError, explain } from '../../base/errors.ts';
import { partitionKeys } from '../../control/partitions.ts';
import type { Comparison } from '../../sinks/compare.ts';
import type { ReadRun, RunReader } from './reader.ts';
import type { NamedDifference, Verification } from './report.ts';
import { Comparisons, isOfSource } from './rows.ts';

/** Differences that are told with their values. */
export const TOLD = 20;

export interface KeyFindings {
  comparisons: readonly Comparison[];
  partitions: Verification['partitions'];
  differences: NamedDifference[];
}

/**
 * Reads a run again and looks up every row by its key; the partition that was loaded last decides about a key. Rows
 * that later runs have changed are as they should be when they are as those have left them.
 * @param open prepares a later run, or throws when its job has changed
 */
export async function compareByKeys(
  client: ClientBase,
  reader: RunReader,
  run: ReadRun & { unchanged: number },
  open: (id: number) => Promise<ReadRun>,
  note: (text: string) => void,
): Promise<KeyFindings> {
  const comparisons = new Comparisons(client, 'run');
  let partitions = 0;
  for await (const source of reader.sources(run)) {
    partitions++;
    await reader.tolerate(source, () => comparisons.add(source, 'judge'));
  }
  await comparisons.settle('judge');
  // Of several versions of a row it is not the last one that counts, but any of them.
  const anyOfThem = run.routes.some(({ target }) => target.version !== undefined || target.onConflict === 'ignore');
  if (anyOfThem && partitions > 1 && (await comparisons.counts()).length > 0)
    await pardon(comparisons, reader, run, note);
  await pardonLaterRuns(comparisons, reader, run.id, open, note);
  return {
    comparisons: comparisons.all(),
    partitions: await findings(comparisons, reader, run, note),
    differences: await reader.named(await comparisons.differences(TOLD)),
  };
}

async function pardonLaterRuns(
  comparisons: Comparisons,
  reader: RunReader,
  run: number,
  open: (id: number) => Promise<ReadRun>,
  note: (text: string) => void,
): Promise<void> {
  const suspicious = new Set((await comparisons.counts()).map(({ table }) => table));
  const runs = new Set<number>();
  for (const { table, key } of comparisons.all()) {
    if (key.length === 0 || !suspicious.has(table.sql)) continue;
    for (const later of await reader.loads.laterRuns(run, table.oid)) runs.add(later);
  }
  for (const id of [...runs].sort((a, b) => a - b)) {
    try {
      const pardoned = await pardon(comparisons, reader, await open(id), note);
      if (pardoned > 0) note(`${pardoned} rows are as run ${id} has left them since`);
    } catch (error) {
      if (!(error instanceof DrayageError) || error.transient) throw error;
      note(`run ${id} has loaded into the same tables since, and cannot be read again: ${explain(error)}`);
    }
  }
}

/** Takes back what was found wrong with rows that are as a run has them. @returns how many */
async function pardon(
  comparisons: Comparisons,
  reader: RunReader,
  run: ReadRun,
  note: (text: string) => void,
): Promise<number> {
  const before = comparisons.pardoned;
  for await (const source of reader.sources(run)) {
    if (source.partition.state === 'skipped') continue;
    await comparisons.add(source, 'pardon', { known: true }).catch((error) => {
      if (!isOfSource(error)) throw error;
      note(`${source.partition.key} of run ${run.id} cannot be read again: ${explain(error)}`);
    });
  }
  await comparisons.settle('pardon');
  return comparisons.pardoned - before;
}

async function findings(
  comparisons: Comparisons,
  reader: RunReader,
  { routes, unchanged }: ReadRun & { unchanged: number },
  note: (text: string) => void,
): Promise<Verification['partitions']> {
  const counts = await comparisons.counts();
  const ids = counts.map(({ partition }) => partition);
  const keys = await partitionKeys(reader.db, ids);
  const keeping = new Set(routes.filter(({ target }) => target.onConflict === 'ignore').map(({ table }) => table.sql));
  const found = new Map<string, Verification['partitions'][number]>();
  for (const { table, partition, kind, rows } of counts) {
    if (kind === 'different' && keeping.has(table) && unchanged > 0) {
      note(`${rows} rows of ${table} were there before and were left as they are (onConflict: 'ignore')`);
      continue;
    }
    const id = `${partition} ${table}`;
    const none = { partition: keys.get(partition)!, table, missing: 0, different: 0, problem: null };
    found.set(id, { ...(found.get(id) ?? none), [kind]: rows });
  }
  return [...found.values()];
}
