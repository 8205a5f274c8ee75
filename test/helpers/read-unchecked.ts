import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { DrayageError } from '../../src/base/errors.ts';
import { scan } from '../../src/duckdb/scan.ts';
import type { SourceContext } from '../../src/model/source.ts';
import { files } from '../../src/sources/files.ts';
import type { FilesOptions } from '../../src/sources/format.ts';
import { openContext, openRelation, plansOf, type Row, readPlan } from './read-source.ts';

/** A context in a folder of its own for the tests of a file, of which nothing may stay behind. */
export function ownContext(): () => SourceContext {
  let opened: Awaited<ReturnType<typeof openContext>>;
  beforeAll(async () => {
    opened = await openContext(await mkdtemp(join(tmpdir(), 'drayage-plain-')));
  });
  afterAll(async () => {
    expect(await opened.spooled()).toEqual([]);
    await opened.close();
    await rm(opened.context.root, { recursive: true });
  });
  return () => opened.context;
}

let turn = 0;

/** Reads a file carefully, and before it has been looked at. @returns no rows when the latter came to nothing */
export async function readUnchecked(
  context: SourceContext,
  extension: string,
  content: string | Buffer,
  options: FilesOptions,
) {
  const name = `${turn++}${extension}`;
  await writeFile(join(context.root, name), content);
  const source = files(name, options);
  const [plan] = await plansOf(source, context);
  const careful = await readPlan(source, plan!, context);
  const partition = await openRelation(source, plan!, context);
  const connection = await context.duck.connect();
  try {
    const { doubt, sure } = (await partition.unchecked!())!;
    const rows: Row[] = [];
    for await (const batch of scan(connection, partition.relation, { signal: doubt, keep: true })) {
      for (let index = 0; index < batch.numRows; index++) rows.push({ ...batch.get(index)!.toJSON() });
    }
    if (!(await sure(rows.length))) return { careful };
    expect(await Array.fromAsync(partition.faults())).toEqual([]);
    return { rows, careful };
  } catch (error) {
    const { code, name } = error as DrayageError;
    expect(name === 'AbortError' ? name : code).toMatch(
      /^(TRANSFORM_FAILED|SOURCE_UNREADABLE|INTERRUPTED|AbortError)$/,
    );
    return { careful };
  } finally {
    connection.close();
    await partition.close();
  }
}
