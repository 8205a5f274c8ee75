import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duck } from '../../src/duckdb/instance.ts';
import type { PartitionPlan, Source, SourceContext, SourceFault, SourceRecord } from '../../src/model/source.ts';

import { Spool } from '../../src/store/spool.ts';

/** What a source needs to be read without a run. */
/** @param databaseUrl of the database that sources read by default */
export async function openContext(
  databaseUrl = 'postgresql://localhost:1/none',
): Promise<SourceContext & { close(): Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'drayage-source-'));
  const duck = new Duck({ memoryMb: 64, threads: 1, spillDirectory: join(root, 'spill') });
  const disk = await Spool.open(join(root, 'spool'), 1_000_000_000);
  return {
    ...{ duck, root, disk, spool: disk.folder, databaseUrl: () => databaseUrl, signal: new AbortController().signal },
    async close() {
      await duck.close();
      await disk.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export async function plansOf(source: Source<unknown>, context: SourceContext): Promise<PartitionPlan[]> {
  return Array.fromAsync(source.enumerate(context));
}

/** The records of all partitions, or of one. */
export async function recordsOf<Value>(
  source: Source<Value>,
  context: SourceContext,
  plans?: readonly PartitionPlan[],
) {
  const found: (SourceRecord<Value> | SourceFault)[] = [];
  for (const plan of plans ?? (await plansOf(source, context))) {
    const open = await source.open(plan, context);
    if (!('records' in open)) throw new Error('the source gives rows');
    found.push(...(await Array.fromAsync(open.records())));
    await open.assertUnchanged();
    await open.close();
  }
  return found;
}

/** What the records hold. @throws for faults */
export async function valuesOf<Value>(source: Source<Value>, context: SourceContext): Promise<Value[]> {
  return (await recordsOf(source, context)).map((record) => {
    if ('value' in record) return record.value;
    throw new Error(`record ${record.row}: ${record.message}`);
  });
}
