import { readFileSync } from 'node:fs';
import { scan } from '../../src/duckdb/scan.ts';
import { type PartitionPlan, ROW, type Source, type SourceContext } from '../../src/model/source.ts';
import type { Sample } from '../helpers/formats.ts';

export interface Found {
  /** Its number in the partition. */
  row: number;
  items: Sample[];
}

/** Called while a partition is read. */
export interface Moments {
  /** It is open, and nothing of it was asked for. */
  opened?(): void;
  /** The first of it is there. @param readBytes of records: what this process has read since the partition was opened */
  first?(readBytes: number): unknown;
}

/** A plan as it comes back from the database. */
export function passing({ problem, ...plan }: PartitionPlan): PartitionPlan {
  return { ...(JSON.parse(JSON.stringify(plan)) as PartitionPlan), ...(problem ? { problem } : {}) };
}

/**
 * The rows or records of a partition.
 * @param itemsIn the items that one of them holds
 * @throws what the partition fails with; for one that is a fault
 */
export async function readPartition(
  source: Source,
  plan: PartitionPlan,
  context: SourceContext,
  itemsIn: (value: unknown) => Sample[],
  moments: Moments = {},
): Promise<Found[]> {
  if (plan.problem) throw plan.problem;
  const before = bytesRead();
  const opened = await source.open(plan, context);
  const found: Found[] = [];
  try {
    moments.opened?.();
    if ('records' in opened) {
      for await (const record of opened.records()) {
        if ('reason' in record) throw new Error(`${record.row}: ${record.message}`);
        if (found.push({ row: record.row, items: itemsIn(record.value) }) === 1) moments.first?.(bytesRead() - before);
      }
    } else {
      await context.duck.use(async (connection) => {
        const query = `select * from (${opened.relation})`;
        await opened.prepare?.(query, connection);
        for await (const batch of scan(connection, query, { signal: context.signal, keep: true })) {
          if (found.length === 0) moments.first?.(0);
          for (let index = 0; index < batch.numRows; index++) {
            const row: Record<string, unknown> = batch.get(index)!.toJSON();
            found.push({ row: Number(row[ROW]), items: itemsIn(row) });
          }
        }
        for await (const { row, message } of opened.faults()) throw new Error(`${row}: ${message}`);
      });
    }
    await opened.assertUnchanged();
    return found;
  } finally {
    await opened.close();
  }
}

/** By this process, from files and from connections; 0 where the system does not tell. */
function bytesRead(): number {
  try {
    return Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  } catch {
    return 0;
  }
}
