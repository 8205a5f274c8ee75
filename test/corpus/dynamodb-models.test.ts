import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import type { SourceContext } from '../../src/model/source.ts';
import { dynamodb } from '../../src/sources/dynamodb/index.ts';
import type { Item } from '../../src/store/dynamodb.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import { openContext, recordsOf } from '../helpers/source-context.ts';

interface Key {
  AttributeName: string;
  AttributeType: 'S' | 'N' | 'B';
}

interface Model {
  DataModel: { TableName: string; KeyAttributes: { PartitionKey: Key; SortKey?: Key }; TableData?: Item[] }[];
}

describe.skipIf(!corpusPresent())('real single-table designs', () => {
  let dynamo: LocalDynamo;
  let context: SourceContext & { close(): Promise<void> };
  beforeAll(async () => {
    Object.assign(process.env, LOCAL_ENV);
    dynamo = await LocalDynamo.start();
    context = await openContext();
  });
  afterAll(async () => {
    await context?.close();
    await dynamo?.close();
  });

  /** Items as JSON, in an order that does not depend on keys; sets have none. */
  const inOrder = (items: readonly unknown[]) =>
    items.map((item) => JSON.stringify(item, (_, value) => (isObject(value) ? sortedEntries(value) : value))).sort();
  const isObject = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const sortedEntries = (value: object) =>
    Object.fromEntries(
      Object.entries(value)
        .map(
          ([name, member]) =>
            [name, /^[SNB]S$/.test(name) && Array.isArray(member) ? [...member].sort() : member] as const,
        )
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );

  async function readBack(table: string, partitionKey: string): Promise<unknown[]> {
    const source = dynamodb({ table, partitionKey, endpoint: dynamo.endpoint, idsPerPartition: 3 });
    return (await recordsOf(source, context)).map((record) => {
      if ('value' in record) return JSON.parse(record.raw());
      throw new Error(record.message);
    });
  }

  test('come back item by item as they were put in', async () => {
    const folder = join(CORPUS, 'dynamodb/models');
    let items = 0;
    for (const name of (await readdir(folder)).filter((file) => file.endsWith('Schema.json'))) {
      const { DataModel } = JSON.parse(await readFile(join(folder, name), 'utf8')) as Model;
      for (const { TableName, KeyAttributes, TableData = [] } of DataModel) {
        const keys = [KeyAttributes.PartitionKey, KeyAttributes.SortKey].filter((key) => key !== undefined);
        await dynamo.create({
          TableName,
          KeySchema: keys.map(({ AttributeName }, index) => ({
            AttributeName,
            KeyType: index === 0 ? 'HASH' : 'RANGE',
          })),
          AttributeDefinitions: keys,
        });
        items += await dynamo.put(TableName, TableData);
        expect(inOrder(await readBack(TableName, keys[0]!.AttributeName))).toEqual(inOrder(TableData));
      }
    }
    const sample = JSON.parse(await readFile(join(folder, 'sample-data.json'), 'utf8')) as Record<
      string,
      { PutRequest: { Item: Item } }[]
    >;
    for (const [table, puts] of Object.entries(sample)) {
      const given = puts.map(({ PutRequest }) => PutRequest.Item);
      await dynamo.createTable(table, 'PK', 'SK');
      items += await dynamo.put(table, given);
      expect(inOrder(await readBack(table, 'PK'))).toEqual(inOrder(given));
    }
    expect(items).toBeGreaterThan(50);
  });
});
