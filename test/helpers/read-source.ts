import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { DuckConnection } from '../../src/duckdb/connection.ts';
import { describe, rows, scan } from '../../src/duckdb/scan.ts';
import type { DuckColumn } from '../../src/duckdb/types.ts';
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
    const found: Row[] = [];
    for await (const batch of scan(connection, query, { signal: context.signal, keep: true })) {
      for (let index = 0; index < batch.numRows; index++) found.push({ ...batch.get(index)!.toJSON() });
    }
    await assertKnown(opened, connection);
    const faults: SourceFault[] = await Array.fromAsync(opened.faults());
    await opened.assertUnchanged();
    return { rows: found, faults };
  } finally {
    connection.close();
    await opened.close();
  }
}

/** That what a relation says of itself is so: others go by it and do not look. */
async function assertKnown({ relation, columns, parts, rows: known }: OpenRelation, connection: DuckConnection) {
  const shapes = (found: readonly DuckColumn[]) => found.map(({ name, type }) => ({ name, type }));
  if (columns) {
    const described = shapes(await describe(connection, relation));
    expect(shapes(await columns())).toEqual(described.filter(({ name }) => name !== ROW));
  }
  const count = async (of: string) => {
    const [found] = await rows(connection, `select count(*) as n, min("${ROW}") as first from (${of})`);
    return { rows: Number(found!.n), first: Number(found!.first) };
  };
  if (known === undefined) return;
  const whole = await count(relation);
  expect(whole.rows).toBe(known);
  let next = whole.first;
  for (const part of parts ?? []) {
    expect(await count(part.relation)).toEqual({ rows: part.rows, first: next });
    next += part.rows;
  }
  if (parts) expect(next).toBe(whole.first + known);
}

/** All rows of a source in the order of its partitions, without their numbers. */
export async function readAll(source: Source, context: SourceContext): Promise<Row[]> {
  const all: Row[] = [];
  for (const plan of await plansOf(source, context)) {
    for (const { [ROW]: _, ...row } of (await readPlan(source, plan, context)).rows) all.push(row);
  }
  return all;
}
