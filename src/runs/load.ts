import type { ClientBase } from 'pg';
import { readings, traced } from '../base/trace.ts';
import type { Partition } from '../control/claims.ts';
import type { Route } from '../model/route.ts';
import type { Coercion, KeepRejects, LoadCounts, OnProgress, Reject, Warning } from '../model/sink.ts';
import type { PartitionPlan, RowFilter, Source, SourceContext } from '../model/source.ts';
import { Checksum } from '../postgres/checksum.ts';
import { Circle, checkOf, waitingKeys } from '../sinks/circle.ts';
import { mapColumns } from '../sinks/mapping.ts';
import { loadIntoPostgres } from '../sinks/postgres.ts';
import type { Met } from '../sinks/request.ts';
import type { PartitionOutcome } from './commit.ts';
import { type Opened, withPartition } from './read.ts';
import type { Pace } from './worker/pace.ts';

/** Source faults held in memory before they are written down. */
const FAULTS_HELD = 1000;

export interface PartitionLoad {
  client: ClientBase;
  routes: readonly Route[];
  source: Source;
  plan: Pick<PartitionPlan, 'key' | 'fingerprint' | 'spec'>;
  context: SourceContext;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
  /** How fast rows may come. */
  pace: Pace;
  /** What the run has met in its tables so far, which says how to go about the next partition. */
  met: Map<string, Met>;
  /** By table, the only rows that are wanted; tables without an entry get none. */
  only?: ReadonlyMap<string, RowFilter>;
  /** In a replay: records that were rejected as a whole, so that none of their rows is in a table. */
  wholly?: ReadonlySet<number>;
}

/** A partition as its row in the control schema has it. */
export function planOf({
  key,
  fingerprint,
  spec,
}: Pick<Partition, 'key' | 'fingerprint' | 'spec'>): PartitionLoad['plan'] {
  return { key, fingerprint, spec: spec as PartitionPlan['spec'] };
}

/** Reads a partition and brings it into its tables, one after the other. Runs in the caller's transaction. */
export async function loadPartition(load: PartitionLoad): Promise<PartitionOutcome> {
  const waiting = waitingKeys(load.routes.map(({ table }) => table));
  const circle = new Circle(load.client, waiting);
  const checks = new Map(load.routes.map(({ table }) => [table, checkOf(table, waiting)]));
  return circle.fill(() => fillTables(load, circle, checks));
}

/** By table, the statement that checks its constraints. */
type Checks = ReadonlyMap<Route['table'], string | undefined>;

async function fillTables(load: PartitionLoad, circle: Circle, checks: Checks): Promise<PartitionOutcome> {
  const { routes, source, plan, context, only, keepRejects } = load;
  const total = new Total();
  await withPartition(source, plan, context, async (opened) => {
    const takenApart = routes.some(({ transform }) => transform?.kind === 'records');
    const spooled = await (takenApart ? traced('transform', {}, () => opened.spool(load)) : opened.spool(load));
    if (spooled) {
      total.add(spooled.counts);
      total.warnings.push(...spooled.warnings);
    }
    for (const route of routes) {
      const rows = only?.get(route.table.sql);
      if (!only || rows) await loadRoute(load, route, opened, rows, { total, circle, checks });
    }
    if (!only) total.add({ ...NOTHING, ...(await keepFaults(opened, keepRejects)) });
    await opened.assertUnchanged();
    total.warnings.push(...opened.warnings());
  });
  const { counts, checksum, coercions, warnings } = total;
  return { ...counts, checksum: checksum.toString(), coercions, warnings };
}

export const NOTHING: LoadCounts = { read: 0, written: 0, unchanged: 0, superseded: 0, rejected: 0 };

class Total {
  readonly counts = { ...NOTHING };
  readonly checksum = new Checksum();
  readonly coercions = new Map<string, readonly Coercion[]>();
  readonly warnings: Warning[] = [];

  add(counts: LoadCounts): void {
    for (const name of Object.keys(NOTHING) as (keyof LoadCounts)[]) this.counts[name] += counts[name];
  }
}

async function loadRoute(
  { client, keepRejects, onProgress, met, pace, context: { signal } }: PartitionLoad,
  route: Route,
  opened: Opened,
  rows: RowFilter | undefined,
  { total, circle, checks }: { total: Total; circle: Circle; checks: Checks },
): Promise<void> {
  const { table, target, seen } = route;
  const within = { 'db.collection.name': table.sql };
  const reading = await traced('transform', within, () => opened.reading(route, rows));
  const before = total.counts.read;
  const { coercions, checksum, ...counts } = await traced('load', within, () => {
    const timed = readings('read');
    const columns = mapColumns(reading.schema, table, target);
    return loadIntoPostgres({
      client,
      table,
      target,
      columns,
      check: checks.get(table),
      lost: circle.lostFrom(table, columns),
      batches: (keep) => pace.over(timed(reading.batches(keep, !keep)), signal),
      ...(reading.only ? { only: reading.only } : {}),
      keepRejects,
      onProgress: (read) => onProgress(before + read),
      met: met.get(table.sql),
      onMet: (found) => met.set(table.sql, found),
      ...(seen ? { seen } : {}),
    });
  });
  total.add(counts);
  total.checksum.addSum(checksum);
  if (coercions.length > 0) total.coercions.set(table.sql, coercions);
}

/** Keeps the rows that the source itself found unreadable. */
export async function keepFaults(
  opened: Opened,
  keepRejects: KeepRejects,
): Promise<{ read: number; rejected: number }> {
  let held: Reject[] = [];
  let count = 0;
  for await (const { row, reason, message, raw } of opened.faults()) {
    held.push({ table: null, row, column: null, reason, message, raw });
    count++;
    if (held.length < FAULTS_HELD) continue;
    await keepRejects(held, count);
    held = [];
  }
  if (held.length > 0) await keepRejects(held, count);
  return { read: count, rejected: count };
}
