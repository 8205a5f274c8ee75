import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenRecords, Source, SourceContext, SourceFault, SourceRecord } from '../../../src/model/source.ts';

/** What a source may use; nothing of DuckDB. */
export function contextOf(root: string): SourceContext {
  return { root, spool: root, signal: new AbortController().signal } as unknown as SourceContext;
}

/** All records of all partitions, read as a run reads them; what a partition throws is thrown. */
export async function readAll<Value>(
  source: Source<Value>,
  root: string,
): Promise<(SourceRecord<Value> | SourceFault)[]> {
  const spool = await mkdtemp(join(root, 'spool-'));
  const context = { ...contextOf(root), spool };
  const found: (SourceRecord<Value> | SourceFault)[] = [];
  for await (const plan of source.enumerate(context)) {
    if (plan.problem) throw plan.problem;
    const opened = (await source.open(plan, context)) as OpenRecords<Value>;
    try {
      for await (const record of opened.records()) found.push(record);
      await opened.assertUnchanged();
    } finally {
      await opened.close();
    }
  }
  await rm(spool, { recursive: true });
  return found;
}
