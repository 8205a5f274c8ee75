import { randomUUID } from 'node:crypto';
import { DrayageError } from '../../base/errors.ts';
import { digest, shortName } from '../../base/ids.ts';
import { toJson } from '../../base/json.ts';
import { didYouMean } from '../../base/suggest.ts';
import type { OpenRecords, PartitionPlan, Source, SourceContext } from '../../model/source.ts';
import { type AttributeValue, type DynamoStore, dynamoStore, type Item } from '../../store/dynamodb.ts';
import { type DynamoRecord, recordOf } from './attribute.ts';
import { distinctIds, type FoundId } from './ids.ts';

export interface DynamoTableOptions {
  /** Its name, or its ARN. */
  table: string;
  /** Attribute of the partition key. */
  partitionKey: string;
  /**
   * Only partition keys that begin like this; for keys that are strings. End it with the separator: `USER#` leaves out
   * `USERGROUP#1`, which `USER` does not.
   */
  prefix?: string;
  /** Partition keys per partition, about. Default 100. */
  idsPerPartition?: number;
  /** Scans that look for partition keys at the same time. Default 4. */
  segments?: number;
  /** Queries that a partition reads ahead. Default 4. */
  queries?: number;
  /** Read capacity units that one worker process may use up per second. Default any number. */
  readUnits?: number;
  /** Strongly consistent reads, which cost twice as much. Default no: an item written a moment ago may be missing. */
  consistent?: boolean;
  /**
   * What a run does with keys whose items have not changed since they were loaded. `reload` (the default) looks at the
   * keys alone, and reads all items again. `skip` reads whole items while it looks for keys, which DynamoDB charges no
   * more for (it charges a scan by the size of the items, whatever it gives back), and leaves out partitions whose items
   * are all the same.
   */
  unchanged?: 'reload' | 'skip';
  /** URL of a server that speaks DynamoDB, in place of AWS; also taken from AWS_ENDPOINT_URL_DYNAMODB. */
  endpoint?: string;
  /** Also taken from AWS_REGION and the profile. */
  region?: string;
}

const OPTIONS = [
  ...['table', 'partitionKey', 'prefix', 'idsPerPartition', 'segments', 'queries', 'readUnits', 'consistent'],
  ...['unchanged', 'endpoint', 'region'],
];

/**
 * The items of a DynamoDB table, as records: partitions are packs of partition keys, found by a parallel scan and read by
 * one query each. The table is only ever read. Credentials come from the SDK's default chain.
 *
 * DynamoDB tells nothing about what has changed: there is no version of a table, a key or an item. So the fingerprint of a
 * partition is another one in each run, and its rows are left to the target to compare; with `unchanged: 'skip'` it is a
 * digest of all items as the scan found them. What is written to the table meanwhile may or may not be read; it is the
 * next run that is certain to. For the same reason rejects cannot be replayed by their numbers: run the job again.
 * @throws SOURCE_INVALID for options that make no sense; while it is read SOURCE_MISSING, STORE_DENIED,
 * STORE_UNREACHABLE, STORE_FAILED
 */
export function dynamodb(options: DynamoTableOptions): Source<DynamoRecord> {
  validate(options);
  const { table, partitionKey, prefix, endpoint, region, readUnits } = options;
  const { idsPerPartition = 100, segments = 4, queries = 4, consistent = false, unchanged = 'reload' } = options;
  const store = () => dynamoStore({ endpoint, region, readUnits });
  return {
    description: `DynamoDB table ${table}${prefix === undefined ? '' : `, ${partitionKey} ${prefix}…`}`,
    async *enumerate(context) {
      const about = await store().describe(table, context.signal);
      assertKey(options, about);
      const begins = prefix === undefined || prefix === '' ? undefined : { attribute: partitionKey, prefix };
      const scan = { table, segments, begins, consistent };
      const request = unchanged === 'skip' ? scan : { ...scan, attributes: [partitionKey] };
      const content = ({ content }: FoundId) => (unchanged === 'skip' ? content : randomUUID());
      for await (const ids of packed(distinctIds(store(), partitionKey, request, context), idsPerPartition)) {
        context.signal.throwIfAborted();
        const plan = planOf(table, ids, digest(about.id, ...ids.flatMap((found) => [found.id, content(found)])));
        yield unchanged === 'skip' ? plan : { ...plan, unversioned: true };
      }
    },
    async open({ spec }, context) {
      const ids = JSON.parse(String(spec.ids)) as AttributeValue[];
      const read = () => readItems(store(), { table, partitionKey, ids, consistent, queries }, context);
      return openItems(read);
    },
  };
}

function planOf(table: string, ids: readonly FoundId[], fingerprint: string): PartitionPlan {
  const [first, last] = [nameOf(ids[0]!), nameOf(ids.at(-1)!)];
  const key = ids.length === 1 ? `${table}#${first}` : `${table}#${first}..${last}`;
  const spec = { ids: `[${ids.map(({ id }) => id).join(',')}]` };
  return { key, fingerprint, rows: null, bytes: null, file: table, shape: table, spec };
}

/** A key as people know it; binary ones in base64. */
function nameOf({ id }: FoundId): string {
  return shortName(String(Object.values(JSON.parse(id) as AttributeValue)[0]));
}

function openItems(read: () => AsyncIterable<Item>): OpenRecords<DynamoRecord> {
  return {
    async *records() {
      let row = 0;
      for await (const item of read()) yield recordOf(item, ++row, () => toJson(item));
    },
    replayable: false,
    assertUnchanged: async () => undefined,
    close: async () => undefined,
  };
}

interface Read {
  table: string;
  partitionKey: string;
  ids: readonly AttributeValue[];
  consistent: boolean;
  queries: number;
}

/** The items of the keys, in their order; the first pages of the next keys are asked for ahead. */
async function* readItems(
  store: DynamoStore,
  { table, partitionKey, ids, consistent, queries }: Read,
  { signal }: SourceContext,
): AsyncGenerator<Item> {
  const begin = (id: AttributeValue) => {
    const { B: binary } = id as { B?: string };
    const key = binary === undefined ? id : { B: Buffer.from(binary, 'base64') };
    const pages = store.query(table, partitionKey, key, consistent, signal);
    const first = pages.next();
    // Whoever waits for it is told; until then it is nobody's.
    first.catch(() => undefined);
    return { pages, first };
  };
  const begun: ReturnType<typeof begin>[] = [];
  let next = 0;
  while (next < ids.length || begun.length > 0) {
    while (next < ids.length && begun.length < queries) begun.push(begin(ids[next++]!));
    const { pages, first } = begun.shift()!;
    for (let page = await first; !page.done; page = await pages.next()) yield* page.value;
  }
}

/**
 * Packs of about so many keys, half as many at the least and twice as many at the most. Where one ends is for the keys
 * themselves to say, so that a new one changes the pack that it falls into, and not all that follow.
 */
async function* packed(ids: AsyncIterable<FoundId>, size: number): AsyncGenerator<FoundId[]> {
  const least = Math.ceil(size / 2);
  const endsPack = ({ id }: FoundId) => Number.parseInt(digest(id).slice(0, 12), 16) % least === 0;
  let pack: FoundId[] = [];
  for await (const id of ids) {
    pack.push(id);
    if (pack.length < least || (pack.length < size * 2 && !endsPack(id))) continue;
    yield pack;
    pack = [];
  }
  if (pack.length > 0) yield pack;
}

function assertKey(
  { table, partitionKey, prefix }: DynamoTableOptions,
  about: { partitionKey: string; partitionKeyType: string },
): void {
  const where = { file: table, field: 'partitionKey' };
  if (partitionKey !== about.partitionKey) {
    throw new DrayageError('SOURCE_INVALID', `The partition key of the table is "${about.partitionKey}"`, {
      where,
      hint: `The source says partitionKey: '${partitionKey}'.${didYouMean(partitionKey, [about.partitionKey])}`,
    });
  }
  if (prefix && about.partitionKeyType !== 'S') {
    const type = about.partitionKeyType === 'N' ? 'a number' : 'binary';
    throw new DrayageError('SOURCE_INVALID', `The partition key is ${type}, which has no prefix`, {
      where,
      hint: 'Leave the prefix out.',
    });
  }
}

const LIMITS = { idsPerPartition: 10_000, segments: 1_000, queries: 64, readUnits: 1_000_000_000 };

function validate(options: DynamoTableOptions): void {
  const given = options as unknown as Readonly<Record<string, unknown>>;
  const invalid = (field: string, problem: string) =>
    new DrayageError('SOURCE_INVALID', `The options of dynamodb are wrong: ${field} ${problem}`, { where: { field } });
  const unknown = Object.keys(given).find((field) => !OPTIONS.includes(field));
  if (unknown !== undefined) throw invalid(unknown, `is unknown.${didYouMean(unknown, OPTIONS)}`);
  for (const field of ['table', 'partitionKey']) {
    if (typeof given[field] !== 'string' || given[field] === '') throw invalid(field, 'is missing');
  }
  for (const [field, most] of Object.entries(LIMITS)) {
    const value = given[field];
    const isWhole = field === 'readUnits' ? Number(value) > 0 : Number.isInteger(value) && Number(value) >= 1;
    if (value !== undefined && !(isWhole && Number(value) <= most)) throw invalid(field, `is not from 1 to ${most}`);
  }
  if (!['reload', 'skip', undefined].includes(given.unchanged as string | undefined)) {
    throw invalid('unchanged', `is neither 'reload' nor 'skip'`);
  }
}
