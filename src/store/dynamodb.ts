import { setTimeout as sleep } from 'node:timers/promises';
import type * as Sdk from '@aws-sdk/client-dynamodb';
import { dynamoError } from './dynamodb-errors.ts';

export type { AttributeValue } from '@aws-sdk/client-dynamodb';
export type Item = Record<string, Sdk.AttributeValue>;

/** What is not left to the SDK's own sources: environment, shared configuration files, roles. */
export interface DynamoOptions {
  /** URL of a server that speaks DynamoDB, in place of AWS; also taken from AWS_ENDPOINT_URL_DYNAMODB. */
  endpoint?: string | undefined;
  region?: string | undefined;
  /** Read capacity units that one process may use up per second, over all tables. Default any number. */
  readUnits?: number | undefined;
}

export interface TableAbout {
  /** Another one when the table was made anew. */
  id: string;
  partitionKey: string;
  partitionKeyType: string;
}

export interface ScanOptions {
  table: string;
  segment: number;
  segments: number;
  /** Only these attributes; left out: all of them. */
  attributes?: readonly string[];
  /** Only items whose partition key, a string, begins like that. */
  begins?: { attribute: string; prefix: string } | undefined;
  consistent: boolean;
}

/** Attempts of the SDK at one request, with growing pauses; beyond that the partition is tried again by the queue. */
const ATTEMPTS = 8;

const stores = new Map<string, DynamoStore>();

/** The store for these options; one per process, since each keeps connections and its own account of read units. */
export function dynamoStore(options: DynamoOptions = {}): DynamoStore {
  const { endpoint, region, readUnits } = options;
  const id = JSON.stringify([endpoint, region, readUnits]);
  const store = stores.get(id) ?? new DynamoStore(options);
  stores.set(id, store);
  return store;
}

interface Connected {
  sdk: typeof Sdk;
  client: Sdk.DynamoDBClient;
}

/** Tables of DynamoDB, which are only ever read. What fails is thrown as an error of ours (dynamodb-errors.ts). */
export class DynamoStore {
  readonly #options: DynamoOptions;
  readonly #budget: ReadBudget | undefined;
  #connected: Promise<Connected> | undefined;

  constructor(options: DynamoOptions) {
    this.#options = options;
    this.#budget = options.readUnits === undefined ? undefined : new ReadBudget(options.readUnits);
  }

  /** The SDK is loaded when it is needed: its memory is not spent on those who have nothing in DynamoDB. */
  #connect(): Promise<Connected> {
    this.#connected ??= import('@aws-sdk/client-dynamodb').then((sdk) => ({ sdk, client: this.#makeClient(sdk) }));
    return this.#connected;
  }

  #makeClient(sdk: typeof Sdk): Sdk.DynamoDBClient {
    const { endpoint, region } = this.#options;
    const client = new sdk.DynamoDBClient({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      // Slows down by itself when DynamoDB throttles.
      retryMode: 'adaptive',
      maxAttempts: ATTEMPTS,
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
    });
    // It copies every answer for a log that nobody keeps.
    client.middlewareStack.remove('loggerMiddleware');
    return client;
  }

  /** @throws SOURCE_MISSING */
  async describe(table: string, signal: AbortSignal): Promise<TableAbout> {
    const { Table } = await this.#ask(table, signal, ({ client, sdk }, options) =>
      client.send(new sdk.DescribeTableCommand({ TableName: table }), options),
    );
    const partitionKey = Table?.KeySchema?.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName ?? '';
    const type = Table?.AttributeDefinitions?.find(
      ({ AttributeName }) => AttributeName === partitionKey,
    )?.AttributeType;
    const id = Table?.TableId ?? `${Table?.TableArn} ${Table?.CreationDateTime?.getTime()}`;
    return { id, partitionKey, partitionKeyType: type ?? '' };
  }

  /** The items of one segment of the table, page by page; a page may be empty and not be the last. */
  async *scan({ table, segment, segments, attributes, begins, consistent }: ScanOptions, signal: AbortSignal) {
    const names: Record<string, string> = {};
    for (const [index, name] of (attributes ?? []).entries()) names[`#a${index}`] = name;
    if (begins) names['#begins'] = begins.attribute;
    const input: Sdk.ScanCommandInput = {
      TableName: table,
      Segment: segment,
      TotalSegments: segments,
      ConsistentRead: consistent,
      ReturnConsumedCapacity: 'TOTAL',
      ...(attributes ? { ProjectionExpression: attributes.map((_, index) => `#a${index}`).join(', ') } : {}),
      ...(begins
        ? {
            FilterExpression: 'begins_with(#begins, :prefix)',
            ExpressionAttributeValues: { ':prefix': { S: begins.prefix } },
          }
        : {}),
      ...(Object.keys(names).length > 0 ? { ExpressionAttributeNames: names } : {}),
    };
    yield* this.#pages(table, signal, ({ client, sdk }, start, options) =>
      client.send(new sdk.ScanCommand({ ...input, ...start }), options),
    );
  }

  /** All items of one partition key, in the order of their sort key, page by page. */
  async *query(table: string, name: string, value: Sdk.AttributeValue, consistent: boolean, signal: AbortSignal) {
    const input = {
      TableName: table,
      KeyConditionExpression: '#key = :key',
      ExpressionAttributeNames: { '#key': name },
      ExpressionAttributeValues: { ':key': value },
      ConsistentRead: consistent,
      ReturnConsumedCapacity: 'TOTAL' as const,
    };
    yield* this.#pages(table, signal, ({ client, sdk }, start, options) =>
      client.send(new sdk.QueryCommand({ ...input, ...start }), options),
    );
  }

  /** Only the absence of a last key ends the pages: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html */
  async *#pages(
    table: string,
    signal: AbortSignal,
    ask: (
      connected: Connected,
      start: { ExclusiveStartKey?: Item },
      options: { abortSignal: AbortSignal },
    ) => Promise<Pick<Sdk.QueryCommandOutput, 'Items' | 'LastEvaluatedKey' | 'ConsumedCapacity'>>,
  ): AsyncGenerator<Item[]> {
    let last: Item | undefined;
    do {
      await this.#budget?.admit(signal);
      const start = last ? { ExclusiveStartKey: last } : {};
      const page = await this.#ask(table, signal, (connected, options) => ask(connected, start, options));
      this.#budget?.spend(page.ConsumedCapacity?.CapacityUnits ?? 0);
      if (page.Items && page.Items.length > 0) yield page.Items;
      last = page.LastEvaluatedKey;
    } while (last !== undefined);
  }

  async #ask<Answer>(
    table: string,
    signal: AbortSignal,
    send: (connected: Connected, options: { abortSignal: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send(await this.#connect(), { abortSignal: signal });
    } catch (error) {
      throw dynamoError(error, table, signal);
    }
  }
}

/**
 * Read units to spend, which come back with time. What a request costs is known only afterwards, so a request may run
 * into debt, and the next ones wait until it is paid.
 */
class ReadBudget {
  readonly #perSecond: number;
  #units: number;
  #atMs = performance.now();

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#units = perSecond;
  }

  async admit(signal: AbortSignal): Promise<void> {
    for (this.#refill(); this.#units <= 0; this.#refill()) {
      await sleep(Math.ceil((-this.#units / this.#perSecond) * 1000) + 1, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
  }

  spend(units: number): void {
    this.#units -= units;
  }

  #refill(): void {
    const nowMs = performance.now();
    this.#units = Math.min(this.#perSecond, this.#units + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
  }
}
