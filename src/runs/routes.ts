import type { ClientBase } from 'pg';
import { DrayageError, locate } from '../base/errors.ts';
import type { PreparedTarget, Route } from '../model/route.ts';
import type { Source, SourceContext } from '../model/source.ts';
import type { Target } from '../model/target.ts';
import type { Transform } from '../model/transform.ts';
import type { Table } from '../postgres/catalog.ts';
import { postgresName } from '../postgres/names.ts';
import { lateReferences } from '../sinks/circle.ts';
import { type InferredColumn, inferColumns, type SourceColumn } from '../sinks/infer.ts';
import { closeAllSeen, isOpen, openSeen, seenTable } from '../sinks/missing.ts';
import { makeShadows, shadowOf } from '../sinks/replace.ts';
import { assertReplaceable } from '../sinks/replaceable.ts';
import { assertRights, type Rights, rightsOn } from '../sinks/rights.ts';
import { ensureTables, inferredDdl, needsColumns, tablesOf } from '../sinks/tables.ts';
import type { PreparedJob } from './prepare.ts';
import { withPartition } from './read.ts';

/** The columns that a job's source has for a target; asked for once, since all files are looked at. */
export type ColumnsOf = (target: PreparedTarget) => Promise<InferredColumn[]>;

/**
 * Looks at the source for those targets whose tables depend on it: before anything is locked, since there may be many
 * files.
 */
export async function inspectSource(
  client: ClientBase,
  prepared: PreparedJob,
  context: SourceContext,
): Promise<ColumnsOf> {
  const found = new Map<PreparedTarget, Promise<InferredColumn[]>>();
  const inspect = sourceColumns(prepared, context);
  const columnsOf: ColumnsOf = (target) => {
    const columns = found.get(target) ?? inspect(target);
    found.set(target, columns);
    return columns;
  };
  for (const one of prepared.targets) {
    const inspecting = async () => {
      if (await needsColumns(client, one)) await columnsOf(one);
    };
    await inspecting().catch((error) => {
      throw locate(error, { job: prepared.job.name });
    });
  }
  return columnsOf;
}

/** A route whose table was just looked at. */
export interface PreparedRoute extends Route {
  created: boolean;
  rights: Rights;
  /** What has to be said of its references to tables that are filled later. */
  late: string[];
}

/**
 * The routes of a job, whose tables are created when they are absent. Whether that lasts is up to the caller's
 * transaction, which holds locks from here on.
 * @param touch whether tables that are there may be altered
 * @throws TARGET_INVALID also for rights that are missing
 */
export async function prepareRoutes(
  client: ClientBase,
  prepared: PreparedJob,
  { root, columnsOf, touch }: { root: string; columnsOf: ColumnsOf; touch: boolean },
): Promise<PreparedRoute[]> {
  const routes: Omit<PreparedRoute, 'late'>[] = [];
  for (const one of prepared.targets) {
    // Two producers may find the same table absent.
    await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`drayage table ${one.name}`]);
    const columns = () => columnsOf(one);
    const preparing = async () => {
      const { tables, created } = await ensureTables(client, { ...one, root, columns }, touch);
      for (const route of routesOver(one, tables))
        routes.push({ ...route, created, rights: await allowed(client, route) });
    };
    await preparing().catch((error) => {
      throw locate(error, { job: prepared.job.name });
    });
  }
  const found = await lateReferences(
    client,
    routes.map(({ table }) => table),
  );
  return routes.map((route) => {
    return { ...route, late: found.flatMap(({ oid, warning }) => (oid === route.table.oid ? [warning] : [])) };
  });
}

/** @throws TARGET_INVALID for what the mode needs and cannot be, as far as that does not depend on the columns */
async function allowed(client: ClientBase, { table, target }: Route): Promise<Rights> {
  const rights = await rightsOn(client, table);
  if (target.mode === 'replace') await assertReplaceable(client, table);
  assertRights(rights, table, target);
  return rights;
}

/**
 * Makes what the routes of one run need beside the tables: shadows, and places for keys.
 * @param earlier runs that filled the same tables and failed: what they have seen of the source is out of date
 */
export async function openRoutes(
  client: ClientBase,
  run: number,
  routes: readonly Route[],
  earlier: readonly number[],
): Promise<void> {
  await closeAllSeen(client, earlier);
  const replaced = routes.filter(({ target }) => target.mode === 'replace').map(({ table }) => table);
  await makeShadows(client, replaced, run);
  for (const [index, { target, table }] of routes.entries()) {
    if (target.mode === 'merge') await openSeen(client, seenTable(run, index), table, target.key);
  }
}

/** The routes of a run that has been opened, for those who load it. @throws TARGET_INVALID */
export async function runRoutes(client: ClientBase, targets: readonly PreparedTarget[], run: number): Promise<Route[]> {
  const found: Route[] = [];
  for (const one of targets) {
    const tables = await tablesOf(client, one);
    const loaded = one.target.mode === 'replace' ? [await shadowOf(client, tables[0]!, run)] : tables;
    found.push(...routesOver(one, loaded));
  }
  for (const [index, route] of found.entries()) {
    const seen = seenTable(run, index);
    if (route.target.mode === 'merge' && (await isOpen(client, seen))) found[index] = { ...route, seen };
  }
  return found;
}

/** The routes into the tables as they are when a run has ended. @throws TARGET_INVALID */
export async function settledRoutes(client: ClientBase, targets: readonly PreparedTarget[]): Promise<Route[]> {
  const found: Route[] = [];
  for (const one of targets) found.push(...routesOver(one, await tablesOf(client, one)));
  return found;
}

/** The DDL that would create the tables of a job. */
export async function ddlOf(client: ClientBase, prepared: PreparedJob, context: SourceContext): Promise<string[]> {
  const columnsOf = sourceColumns(prepared, context);
  const statements: string[] = [];
  for (const one of prepared.targets) {
    statements.push(...(await inferredDdl(client, { ...one, columns: () => columnsOf(one) })));
  }
  return statements;
}

function routesOver({ name, target, transform }: PreparedTarget, tables: readonly Table[]): Route[] {
  return tables.map((table) => {
    return { name, target, transform, table, siblings: tables.filter((other) => other !== table) };
  });
}

/** What a function over records fills is what the target says. */
function declaredColumns({ columns }: Target): InferredColumn[] {
  return Object.entries(columns!).map(([source, type]) => ({ name: postgresName(source), source, type }));
}

/** The columns of all files together, by what each target makes of them. */
function sourceColumns({ source }: PreparedJob, context: SourceContext): ColumnsOf {
  return async ({ transform, target }) => {
    if (transform?.kind === 'records') return declaredColumns(target);
    return inferColumns(await columnSets(source, context, transform));
  };
}

/** Looks at the columns of all files, once for each different set. @throws what is wrong when none can be read */
export async function columnSets(
  source: Source,
  context: SourceContext,
  transform: Transform | undefined,
): Promise<SourceColumn[][]> {
  const seen = new Set<string>();
  const files: SourceColumn[][] = [];
  let problem: unknown;
  for await (const plan of source.enumerate(context)) {
    if (plan.problem || seen.has(plan.shape)) {
      problem ??= plan.problem;
      continue;
    }
    seen.add(plan.shape);
    try {
      files.push(await withPartition(source, plan, context, (opened) => opened.columns(transform)));
    } catch (error) {
      // A file that cannot be read fails alone, later; the table is that of the others.
      if (!(error instanceof DrayageError) || error.transient) throw error;
      problem ??= error;
    }
  }
  if (files.length === 0 && problem) throw problem;
  return files;
}
