import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { Partition } from '../control/claims.ts';
import type { ControlDb } from '../control/db.ts';
import type { Run } from '../control/runs.ts';
import { laterRuns, loadersInto } from '../control/verifications.ts';
import type { Route } from '../model/route.ts';
import type { RowFilter, SourceContext } from '../model/source.ts';
import { mapColumns } from '../sinks/mapping.ts';
import { findNewer, replacesBlindly } from '../sinks/newer.ts';
import { planOf } from './load.ts';
import type { PreparedJob } from './prepare.ts';
import { withPartition } from './read.ts';

/** Rows of a partition that are loaded late: others may have come in the meantime. */
export interface LateLoad {
  run: Run;
  partition: Partition;
  prepared: PreparedJob;
  routes: readonly Route[];
  /** By table. */
  rows: ReadonlyMap<string, RowFilter>;
  context: SourceContext;
}

/**
 * Which of these rows must be left alone, since newer ones with their keys may be in the table.
 * @returns their numbers, by table
 * @throws REPLAY_REFUSED for a table that does not hold what the run has loaded any more
 */
export async function overtakenRows(
  client: pg.PoolClient,
  db: ControlDb,
  { run, partition, prepared, routes, rows, context }: LateLoad,
): Promise<Map<string, Set<number>>> {
  const found = new Map<string, Set<number>>();
  const asked: { route: Route; loadedSince: boolean }[] = [];
  for (const route of routes) {
    const { table, target, transform } = route;
    if (!rows.has(table.sql)) continue;
    await assertStillThere(db, run, partition, route);
    const later = await laterRuns(db, run.id, table.oid);
    if (target.mode === 'merge' && later.length > 0) throw mergedSince(run, route, later.at(-1)!);
    const loadedSince = later.length > 0;
    // A function is not called with all records only to see whether some of them have the same key.
    if (replacesBlindly(target) && (loadedSince || transform?.kind !== 'records')) asked.push({ route, loadedSince });
  }
  if (asked.length === 0) return found;
  await withPartition(prepared.source, planOf(partition), context, async (opened) => {
    await opened.spool({ routes, only: rows, keepRejects: async () => undefined, onProgress: () => undefined });
    for (const { route, loadedSince } of asked) {
      const { table, target } = route;
      const { schema, batches } = await opened.reading(route);
      const columns = mapColumns(schema, table, target);
      const late = rows.get(table.sql)!;
      const newer = await findNewer({ client, table, target, columns, batches: batches(false), late, loadedSince });
      found.set(table.sql, newer);
    }
  });
  return found;
}

/** @throws REPLAY_REFUSED */
async function assertStillThere(db: ControlDb, run: Run, { fingerprint }: Partition, { table }: Route): Promise<void> {
  const loaders = await loadersInto(db, fingerprint, table.oid);
  if (loaders.includes(run.id)) return;
  const later = Math.max(...loaders);
  const what =
    loaders.length === 0
      ? `The table is not the one that run ${run.id} has filled: another was put in its place since`
      : `Run ${later} has loaded the same again since`;
  throw new DrayageError('REPLAY_REFUSED', what, {
    where: { table: table.sql },
    hint: `Replay the rejects of ${loaders.length === 0 ? 'the run that filled it' : `run ${later}`}; ${HOWEVER(run)}`,
  });
}

function mergedSince(run: Run, { table }: Route, later: number): DrayageError {
  return new DrayageError('REPLAY_REFUSED', `The table is as run ${later} has found the source since`, {
    where: { table: table.sql },
    hint: `Replay the rejects of run ${later}; ${HOWEVER(run)}`,
  });
}

const HOWEVER = ({ id }: Run) => `"dray rejects ${id} --replay --force" loads these rows into the table as it is now.`;
