import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import {
  type AttributeValue,
  BatchWriteItemCommand,
  CreateTableCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';

/** What a process needs to reach a server that checks no credentials. */
export const LOCAL_ENV = { AWS_REGION: 'eu-west-2', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

/** Items per BatchWriteItem. */
const BATCH = 25;

/** A server that speaks DynamoDB, in this process and in memory. */
export class LocalDynamo {
  readonly endpoint: string;
  readonly client: DynamoDBClient;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    this.client = new DynamoDBClient({ endpoint: this.endpoint, region: LOCAL_ENV.AWS_REGION, credentials });
  }

  /** @param maxItemSizeKb 400 in AWS */
  static async start({ maxItemSizeKb = 400 }: { maxItemSizeKb?: number } = {}): Promise<LocalDynamo> {
    const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => Server;
    const server = dynalite({ createTableMs: 0, deleteTableMs: 0, maxItemSizeKb });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new LocalDynamo(server);
  }

  /** Makes a table whose keys are strings. */
  async createTable(name: string, partitionKey = 'pk', sortKey = 'sk'): Promise<void> {
    await this.create({
      TableName: name,
      KeySchema: [
        { AttributeName: partitionKey, KeyType: 'HASH' },
        { AttributeName: sortKey, KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [partitionKey, sortKey].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    });
  }

  async create(input: CreateTableCommandInput): Promise<void> {
    await this.client.send(new CreateTableCommand({ BillingMode: 'PAY_PER_REQUEST', ...input }));
    const waiting = { client: this.client, maxWaitTime: 20, minDelay: 0.02, maxDelay: 0.2 };
    await waitUntilTableExists(waiting, { TableName: input.TableName! });
  }

  async put(table: string, items: Iterable<Record<string, AttributeValue>>): Promise<number> {
    let count = 0;
    let batch: Record<string, AttributeValue>[] = [];
    const send = async () => {
      let left = batch.map((Item) => ({ PutRequest: { Item } }));
      batch = [];
      while (left.length > 0) {
        const answer = await this.client.send(new BatchWriteItemCommand({ RequestItems: { [table]: left } }));
        left = (answer.UnprocessedItems?.[table] ?? []) as typeof left;
      }
    };
    for (const item of items) {
      count++;
      if (batch.push(item) === BATCH) await send();
    }
    await send();
    return count;
  }

  async close(): Promise<void> {
    this.client.destroy();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
