import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import { dynamodb } from '../../src/sources/dynamodb/index.ts';
import type { AttributeValue, Item } from '../../src/store/dynamodb.ts';
import { CORPUS, corpusPresent } from '../helpers/corpus.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { openContext, recordsOf } from '../helpers/source-context.ts';
import { useWorkspace } from '../helpers/workspace.ts';

interface Key {
  AttributeName: string;
  AttributeType: 'S' | 'N' | 'B';
}

interface Model {
  DataModel: { TableName: string; KeyAttributes: { PartitionKey: Key; SortKey?: Key }; TableData?: Item[] }[];
}

describe.skipIf(!corpusPresent())('real single-table designs', () => {
  let dynamo: LocalDynamo;
  let context: Awaited<ReturnType<typeof openContext>>;
  let database: TestDatabase;
  let drayage: Awaited<ReturnType<typeof openDrayage>>;

  useWorkspace(async (at) => {
    database = at.database;
    Object.assign(process.env, LOCAL_ENV);
    dynamo = await LocalDynamo.start();
    context = await openContext();
    await at.project.write(
      'jobs/items.ts',
      `import { defineJob, dynamodb, table } from 'drayage';
       export default defineJob({
         name: 'items', description: 'Items', params: { table: { type: 'string' }, key: { type: 'string' } },
         source: ({ table, key }) => dynamodb({ table, partitionKey: key, endpoint: '${dynamo.endpoint}', idsPerPartition: 3 }),
         transform: (item, emit) => emit.items({ item }),
         targets: { items: table({ columns: { item: 'json' } }) },
       });`,
    );
    await database.pool.query('create table items (item json not null)');
    drayage = await openDrayage(at.project.root, database.url);
  });
  afterAll(async () => {
    await drayage?.close();
    await context?.close();
    await dynamo?.close();
  });

  /** As JSON, in an order that does not depend on keys. */
  const inOrder = (items: readonly unknown[]) =>
    items.map((item) => JSON.stringify(item, (_, value) => (isObject(value) ? sortedEntries(value) : value))).sort();
  const isObject = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  /** Sets have no order. */
  const sortedEntries = (value: object) =>
    Object.fromEntries(
      Object.entries(value)
        .map(
          ([name, member]) =>
            [name, /^[SNB]S$/.test(name) && Array.isArray(member) ? [...member].sort() : member] as const,
        )
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );

  /** The items as the source gives them, with their types. */
  async function readBack(table: string, partitionKey: string): Promise<unknown[]> {
    const source = dynamodb({ table, partitionKey, endpoint: dynamo.endpoint, idsPerPartition: 3 });
    return (await recordsOf(source, context)).map((record) => {
      if ('value' in record) return JSON.parse(record.raw());
      throw new Error(record.message);
    });
  }

  /** What an attribute means, by another hand than ours; these models have no bytes, and no sets of numbers. */
  function meaning(value: AttributeValue): unknown {
    const [type, content] = Object.entries(value)[0]! as [string, never];
    if (type === 'M') return meanings(content);
    if (type === 'L') return (content as AttributeValue[]).map(meaning);
    if (type === 'N') return Number(content);
    if (['S', 'BOOL'].includes(type)) return content;
    if (type === 'NULL') return null;
    if (type === 'SS') return { SS: content };
    throw new Error(`an attribute of type ${type}`);
  }
  const meanings = (item: Item) =>
    Object.fromEntries(Object.entries(item).map(([name, value]) => [name, meaning(value)]));

  async function prove(table: string, key: string, items: readonly Item[]): Promise<void> {
    expect(await dynamo.put(table, items)).toBe(items.length);
    expect(inOrder(await readBack(table, key))).toEqual(inOrder(items));
    await database.pool.query('truncate items');
    const loading = drayage.run('items', { table, key });
    if (items.length === 0) return void (await expect(loading).rejects.toMatchObject({ code: 'SOURCE_MISSING' }));
    expect(await loading).toMatchObject({ state: 'succeeded', rows: { written: items.length, rejected: 0 } });
    const sets = new Set(items.flatMap((item) => Object.keys(item).filter((name) => 'SS' in item[name]!)));
    const { rows } = await database.pool.query('select item from items');
    const found = rows.map(({ item }) =>
      Object.fromEntries(Object.entries(item).map(([name, held]) => [name, sets.has(name) ? { SS: held } : held])),
    );
    expect(inOrder(found)).toEqual(inOrder(items.map(meanings)));
  }

  test('come back item by item as they were put in, and go through the queue into a table to the letter', async () => {
    const folder = join(CORPUS, 'dynamodb/models');
    let count = 0;
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
        await prove(TableName, keys[0]!.AttributeName, TableData);
        count += TableData.length;
      }
    }
    const sample = JSON.parse(await readFile(join(folder, 'sample-data.json'), 'utf8')) as Record<
      string,
      { PutRequest: { Item: Item } }[]
    >;
    for (const [table, puts] of Object.entries(sample)) {
      const items = puts.map(({ PutRequest }) => PutRequest.Item);
      await dynamo.createTable(table, 'PK', 'SK');
      await prove(table, 'PK', items);
      count += items.length;
    }
    expect(count).toBeGreaterThan(50);
  });
});
