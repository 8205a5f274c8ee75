import type pg from 'pg';
import type { Run } from '../control/runs.ts';
import type { PreparedTarget } from '../model/route.ts';
import { requireTable, type Table } from '../postgres/catalog.ts';
import { closeAllSeen, deleteMissing } from '../sinks/missing.ts';
import { dropShadow, isShadowed, swapIn } from '../sinks/replace.ts';
import { runRoutes } from './routes.ts';

/** Counts rows that a merge has deleted. */
type NoteDeleted = (rows: number) => Promise<void>;

/**
 * What a run does to its tables as a whole when all partitions are settled: tables that were loaded beside take their
 * places, and rows that a merge has not met go away. Runs in the caller's transaction; what was done stays done when
 * it is asked for again.
 * @param failed whether some partition has not succeeded: then the tables stay as they are, and what was made for the
 *   run is kept for the case that its partitions are tried again
 * @param noteDeleted part of the same transaction
 */
export async function settleTables(
  client: pg.PoolClient,
  targets: readonly PreparedTarget[],
  run: Run,
  failed: boolean,
  noteDeleted: NoteDeleted,
): Promise<void> {
  if (failed) return;
  // A worker that has lost the claim may still be at it: whoever comes second finds it done.
  await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`drayage settle ${run.id}`]);
  await replaceTables(client, targets, run);
  if (targets.some(({ target }) => target.mode === 'merge')) {
    await deleteWhatIsMissing(client, targets, run, noteDeleted);
  }
}

/** Does away with what was made for a run, and leaves its tables as they are. */
export async function forgetTables(client: pg.PoolClient, targets: readonly PreparedTarget[], run: Run): Promise<void> {
  for (const { name, target } of targets) {
    if (target.mode === 'replace') await dropShadow(client, await requireTable(client, name), run.id);
  }
  await closeAllSeen(client, [run.id]);
}

/** All of them in one transaction; none, when nothing was loaded that could take its place. */
async function replaceTables(client: pg.PoolClient, targets: readonly PreparedTarget[], run: Run): Promise<void> {
  const shadowed: Table[] = [];
  for (const { name, target } of targets) {
    if (target.mode !== 'replace') continue;
    const table = await requireTable(client, name);
    if (run.rows_written === 0) await dropShadow(client, table, run.id);
    else if (await isShadowed(client, table, run.id)) shadowed.push(table);
  }
  const together = shadowed.map(({ oid }) => oid);
  for (const table of shadowed) await swapIn(client, table, run.id, together);
}

/** Only a run that has met every row of the source, and some, knows what is missing from it. */
async function deleteWhatIsMissing(
  client: pg.PoolClient,
  targets: readonly PreparedTarget[],
  run: Run,
  noteDeleted: NoteDeleted,
): Promise<void> {
  const knows = run.rows_rejected === 0 && run.rows_read > 0;
  for (const { seen, table, target } of await runRoutes(client, targets, run.id)) {
    if (!seen) continue;
    if (knows) await noteDeleted(await deleteMissing(client, seen, table, target.key));
  }
  await closeAllSeen(client, [run.id]);
}
