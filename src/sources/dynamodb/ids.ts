import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '../../base/ids.ts';
import { toJson } from '../../base/json.ts';
import { scan } from '../../duckdb/scan.ts';
import { quoteLiteral } from '../../duckdb/types.ts';
import type { SourceContext } from '../../model/source.ts';
import type { DynamoStore, ScanOptions } from '../../store/dynamodb.ts';

/** A partition key's value, and what the items behind it hold as far as it was looked at. */
export interface FoundId {
  /** The attribute value as JSON, for example `{"S":"USER#1"}`. */
  id: string;
  content: string;
}

/**
 * The distinct partition keys of a table, sorted. The items of a key lie together in a scan, so that nearly every
 * repetition is seen at once; the rest is for DuckDB to sort out from a file, in the memory that it is allowed. So however
 * many keys there are, only the disk holds all of them.
 */
export async function* distinctIds(
  store: DynamoStore,
  key: string,
  request: Omit<ScanOptions, 'segment'>,
  { duck, spool, signal }: SourceContext,
): AsyncGenerator<FoundId> {
  const folder = await mkdtemp(join(spool, 'dynamodb-'));
  // One segment that fails ends the others.
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const noted = async (segment: number) => {
    const path = join(folder, `${segment}.jsonl`);
    try {
      return (await noteIds(store, key, { ...request, segment }, path, either)) > 0 ? [path] : [];
    } catch (error) {
      failure.abort(error);
      throw error;
    }
  };
  try {
    const all = await Promise.allSettled(Array.from({ length: request.segments }, (_, segment) => noted(segment)));
    const failed = all.find(({ status }) => status === 'rejected');
    if (failed) throw failure.signal.reason;
    const paths = all.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (paths.length > 0) yield* sorted(paths, { duck, signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes gathered before they are written. */
const WRITE_BYTES = 256 * 1024;

/** Writes down the keys of a segment, one a line. @returns how many */
async function noteIds(
  store: DynamoStore,
  key: string,
  request: ScanOptions,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const file = await open(path, 'wx');
  let lines = '';
  let count = 0;
  let id: string | undefined;
  let content = '';
  const note = () => {
    if (id === undefined) return;
    lines += `${JSON.stringify({ id, content })}\n`;
    count++;
  };
  try {
    for await (const items of store.scan(request, signal)) {
      for (const item of items) {
        const next = toJson(item[key]);
        if (next !== id) {
          note();
          id = next;
          content = '';
        }
        if (!request.attributes) content = digest(content, canonical(item));
      }
      if (lines.length < WRITE_BYTES) continue;
      await file.appendFile(lines);
      lines = '';
    }
    note();
    await file.appendFile(lines);
  } finally {
    await file.close();
  }
  return count;
}

/** The same text for the same item, whatever the order of its attributes and of the members of its sets. */
function canonical(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return toJson(value);
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  const members = names.map((name) => {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    const isSet = /^[SNB]S$/.test(name) && Array.isArray(member);
    const ordered = isSet ? member.map((one) => toJson(one)).sort() : member;
    return `${JSON.stringify(name)}:${canonical(ordered)}`;
  });
  return `{${members.join(',')}}`;
}

async function* sorted(
  paths: readonly string[],
  { duck, signal }: Pick<SourceContext, 'duck' | 'signal'>,
): AsyncGenerator<FoundId> {
  const lines = `read_json([${paths.map(quoteLiteral).join(', ')}], format = 'newline_delimited', columns = {id: 'VARCHAR', content: 'VARCHAR'})`;
  const query = `select id, string_agg(content, ' ' order by content) as content from ${lines} group by id order by id`;
  const connection = await duck.connect();
  try {
    for await (const batch of scan(connection, query, { signal })) {
      for (let index = 0; index < batch.numRows; index++) yield batch.get(index)!.toJSON() as unknown as FoundId;
    }
  } finally {
    connection.close();
  }
}
