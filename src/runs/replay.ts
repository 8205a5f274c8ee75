import { userInfo } from 'node:os';
import type pg from 'pg';
import { DrayageError, locate } from '../base/errors.ts';
import { noteCoercions } from '../control/coercions.ts';
import type { ControlSchema } from '../control/db.ts';
import { noteEvent } from '../control/events.ts';
import { addOutcome, checksumsOf, lockPartition } from '../control/partitions.ts';
import { clearRejects, insertRejects, lockRejects, partitionsWithRejects } from '../control/rejects.ts';
import { findRun, moveRun, type Run } from '../control/runs.ts';
import type { Route } from '../model/route.ts';
import type { SourceContext } from '../model/source.ts';
import { quoteIdentifier } from '../postgres/catalog.ts';
import { Checksum } from '../postgres/checksum.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import { shadowPart } from '../sinks/replace.ts';
import { loadPartition, planOf } from './load.ts';
import { loadJob } from './load-jobs.ts';
import { overtakenRows } from './overtaken.ts';
import { withSourceContext } from './plan.ts';
import { type PreparedJob, prepareJob } from './prepare.ts';
import { type Opened, withPartition } from './read.ts';
import { settledRoutes } from './routes.ts';
import { isApart, type Services } from './services.ts';
import { Pace } from './worker/pace.ts';

export interface ReplayOptions {
  /** Also rows in whose place there may be newer ones, and into tables that others have brought to another state. */
  force: boolean;
}

export interface Replayed {
  run: number;
  /** Rows that were rejected before and are in their tables now, or equal to what is there. */
  loaded: number;
  /** Rows that the transform leaves out now. */
  left_out: number;
  /** Rejects that were left alone, since newer rows with their keys may be in the table. */
  newer: number;
  /** Rejects that the run still has. */
  rejected: number;
  /** Of these, rows that cannot be found again: their transform does not keep rows apart. */
  unnumbered: number;
}

/**
 * Loads the rejected rows of a run once more, and no others: read from the source again by their numbers, through the
 * job as it is now, into the tables as they are now. What loads is cleared from the rejects in the same transaction,
 * one for each partition.
 * @throws RUN_NOT_FOUND, REPLAY_REFUSED for a run that is not at its end, or with tables in a database apart or overtaken by
 *   later runs, SOURCE_CHANGED
 */
export async function replayRejects(
  services: Services,
  id: number,
  { force }: ReplayOptions,
  signal: AbortSignal,
): Promise<Replayed> {
  const { config, db, pool } = services;
  const run = await findRun(db, id);
  if (!run) throw new DrayageError('RUN_NOT_FOUND', `There is no run ${id}`);
  if (run.state !== 'completed_with_rejects' && run.state !== 'succeeded') {
    throw new DrayageError('REPLAY_REFUSED', `Run ${id} is ${run.state}`, {
      hint: 'Rejects can be loaded once more when all partitions of their run are loaded.',
    });
  }
  if (isApart(services)) {
    throw new DrayageError('REPLAY_REFUSED', 'The tables are in another database than the rejects', {
      where: { job: run.job, run: id },
      hint: 'Mend the rows in the source, and run the job again: a file that has changed is loaded.',
    });
  }
  const prepared = prepareJob(await loadJob(config.root, run.job_path), run.params as Record<string, unknown>);
  if (prepared.lake) {
    throw new DrayageError('REPLAY_REFUSED', `The rows of run ${id} are in a lake, whose files are never changed`, {
      where: { job: run.job, run: id },
      hint: `Mend the rows or the transform and run the job again; with changed: 'replace' in the target that takes their place.`,
    });
  }
  const counts = { loaded: 0, left_out: 0, newer: 0, unnumbered: 0 };
  await withSourceContext(services, signal, async (context) => {
    for (const { id: partition, key } of await partitionsWithRejects(db, id)) {
      signal.throwIfAborted();
      const replayed = await transaction(
        pool,
        (client) => replayPartition(client, run, partition, prepared, { context, force }),
        signal,
      ).catch((error) => {
        throw locate(error, { job: run.job, run: id, partition: key });
      });
      for (const name of ['loaded', 'left_out', 'newer', 'unnumbered'] as const) counts[name] += replayed[name];
    }
  });
  const rejected = await transaction(pool, (client) => settle(client, run, counts));
  return { run: id, ...counts, rejected };
}

async function replayPartition(
  client: pg.PoolClient,
  run: Run,
  partitionId: number,
  prepared: PreparedJob,
  { context, force }: { context: SourceContext } & ReplayOptions,
) {
  const tx = kyselyOnClient<ControlSchema>(client);
  const partition = await lockPartition(tx, partitionId);
  const rejects = await lockRejects(tx, partitionId);
  const numbered = rejects.filter(({ row_number }) => row_number !== null);
  const routes = await settledRoutes(client, prepared.targets);
  const plan = planOf(partition);
  const unreadable = await withPartition(prepared.source, plan, context, faultyRows);
  const into = (route: Route, name: string | null) => name === null || isOf(route, name, run.id);
  const rowsOf = (some: typeof rejects) => {
    const rows = new Map<string, number[]>();
    for (const route of routes) {
      const own = some.filter(({ table_name }) => into(route, table_name)).map(({ row_number }) => row_number!);
      if (own.length > 0) rows.set(route.table.sql, [...new Set(own)]);
    }
    return rows;
  };
  // What is still unreadable, or of a table that the job no longer fills, stays a reject.
  const possible = numbered.filter(({ table_name, row_number }) =>
    table_name === null ? !unreadable.has(row_number!) : routes.some((route) => into(route, table_name)),
  );
  const late = { run, partition, prepared, routes, rows: rowsOf(possible), context };
  const newer = force ? undefined : await overtakenRows(client, tx, late);
  const wanted = possible.filter(({ table_name, row_number }) =>
    routes.every((route) => !into(route, table_name) || !newer?.get(route.table.sql)?.has(row_number!)),
  );
  const only = rowsOf(wanted);
  await clearRejects(
    tx,
    wanted.map(({ id }) => id),
  );
  const outcome = await loadPartition({
    client,
    routes,
    source: prepared.source,
    plan,
    context,
    only,
    wholly: new Set(wanted.flatMap(({ table_name, row_number }) => (table_name === null ? [row_number!] : []))),
    keepRejects: (again) => insertRejects(tx, run.id, partitionId, again),
    onProgress: () => undefined,
    pace: new Pace(),
    met: new Map(),
  });
  await addOutcome(tx, partition, outcome, wanted.length);
  for (const [table, coercions] of outcome.coercions) {
    await noteCoercions(tx, { run: run.id, partition: partitionId, table }, coercions);
  }
  const { read, rejected } = outcome;
  return {
    loaded: read - rejected,
    left_out: Math.max(0, wanted.length - read),
    newer: possible.length - wanted.length,
    unnumbered: rejects.length - numbered.length,
  };
}

/** Rows that the source itself still cannot read. */
async function faultyRows({ faults }: Opened): Promise<Set<number>> {
  const rows = new Set<number>();
  for await (const { row } of faults()) rows.add(row);
  return rows;
}

/** Whether rejects of a table by this name are the route's: a table that was put in place had another one before. */
function isOf({ table }: Route, name: string, run: number): boolean {
  const shadow = shadowPart(table.name, run);
  return name === table.sql || [shadow, quoteIdentifier(shadow)].some((part) => name.endsWith(`.${part}`));
}

/** @returns the rejects that are left */
async function settle(client: pg.PoolClient, run: Run, counts: Record<string, number>): Promise<number> {
  const tx = kyselyOnClient<ControlSchema>(client);
  const total = new Checksum();
  for (const checksum of await checksumsOf(tx, run.id)) total.addSum(checksum);
  const { rows_rejected: rejected } = (await findRun(tx, run.id))!;
  await moveRun(tx, run.id, rejected === 0 ? 'succeeded' : 'completed_with_rejects', { checksum: total.toString() });
  await noteEvent(tx, { run: run.id, actor: userInfo().username, action: 'replayed', detail: { ...counts, rejected } });
  return rejected;
}
