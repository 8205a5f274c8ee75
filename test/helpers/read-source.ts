import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scan } from '../../src/duckdb/scan.ts';
import {
  type OpenRelation,
  type PartitionPlan,
  ROW,
  type Source,
  type SourceContext,
  type SourceFault,
} from '../../src/model/source.ts';
import { Spool } from '../../src/store/spool.ts';
import { createDuck } from './duck.ts';

export type Row = Record<string, unknown>;

/** A context of its own for one test file, and what tests ask of it. */
export async function openContext(root: string, spoolBytes = 1e9, urls: Record<string, string> = {}) {
  const parent = await mkdtemp(join(tmpdir(), 'drayage-spool-'));
  const disk = await Spool.open(parent, spoolBytes);
  const duck = createDuck();
  const never = new AbortController().signal;
  const databaseUrl = (variable?: string) => urls[variable ?? ''] ?? 'postgresql://localhost:1/none';
  const context: SourceContext = { duck, root, spool: disk.folder, disk, databaseUrl, signal: never };
  return {
    context,
    /** What lies in the spool. */
    spooled: () => readdir(disk.folder),
    async close() {
      await duck.close();
      await disk.close();
      await rm(parent, { recursive: true, force: true });
    },
  };
}

export function plansOf(source: Source, context: SourceContext): Promise<PartitionPlan[]> {
  return Array.fromAsync(source.enumerate(context));
}

/** Opens a partition that DuckDB reads. */
export async function openRelation(source: Source, plan: PartitionPlan, context: SourceContext): Promise<OpenRelation> {
  const partition = await source.open(plan, context);
  if ('relation' in partition) return partition;
  throw new Error(`${plan.key} holds records`);
}

/** Opens a partition, reads its rows and its faults, and closes it. */
export async function readPlan(source: Source, plan: PartitionPlan, context: SourceContext, select = 'select *') {
  if (plan.problem) throw plan.problem;
  const opened = await openRelation(source, plan, context);
  const connection = await context.duck.connect();
  try {
    const query = `${select} from (${opened.relation})`;
    await opened.prepare?.(query, connection);
    const rows: Row[] = [];
    for await (const batch of scan(connection, query, { signal: context.signal, keep: true })) {
      for (let index = 0; index < batch.numRows; index++) rows.push({ ...batch.get(index)!.toJSON() });
    }
    const faults: SourceFault[] = await Array.fromAsync(opened.faults());
    await opened.assertUnchanged();
    return { rows, faults };
  } finally {
    connection.close();
    await opened.close();
  }
}

/** All rows of a source in the order of its partitions, without their numbers. */
export async function readAll(source: Source, context: SourceContext): Promise<Row[]> {
  const all: Row[] = [];
  for (const plan of await plansOf(source, context)) {
    for (const { [ROW]: _, ...row } of (await readPlan(source, plan, context)).rows) all.push(row);
  }
  return all;
}
