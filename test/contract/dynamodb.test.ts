import { DeleteTableCommand } from '@aws-sdk/client-dynamodb';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import { dynamodb } from '../../src/sources/dynamodb/index.ts';
import { refusal, startProxy } from '../helpers/dynamo-proxy.ts';
import { type Sample, samples } from '../helpers/formats.ts';
import { keepsContract } from './suite.ts';

const itemOf = ({ id, name }: Sample) => ({
  ...{ pk: { S: `USER#${String(id).padStart(5, '0')}` }, sk: { S: 'ITEM' } },
  ...{ id: { N: String(id) }, name: { S: name } },
});

for (const unchanged of ['skip', 'reload'] as const) {
  let dynamo: LocalDynamo;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let denied = false;
  const tables = new Set<string>();
  const source = (table: string, more: object = {}) => {
    const options = { partitionKey: 'pk', endpoint: proxy.endpoint, idsPerPartition: 10, unchanged, ...more };
    return dynamodb({ table, ...options });
  };
  keepsContract({
    title: `DynamoDB tables, unchanged: ${unchanged}`,
    start: async () => {
      Object.assign(process.env, LOCAL_ENV);
      dynamo = await LocalDynamo.start();
      proxy = await startProxy(dynamo.endpoint, () => (denied ? refusal('AccessDeniedException') : undefined));
      return undefined;
    },
    stop: async () => {
      proxy.server.closeAllConnections();
      proxy.server.close();
      await dynamo.close();
    },
    source,
    lay: async (table, items) => {
      if (!tables.has(table)) await dynamo.createTable(table);
      tables.add(table);
      await dynamo.put(table, items.map(itemOf));
    },
    change: async (table, item) => {
      await dynamo.put(table, [itemOf(item)]);
    },
    remove: async (table) => {
      await dynamo.client.send(new DeleteTableCommand({ TableName: table }));
    },
    forbidden: async (_, context, read) => {
      denied = true;
      try {
        return await read(context);
      } finally {
        denied = false;
      }
    },
    // Pages of a megabyte at the most, of which the first ones are asked for ahead.
    large: async (table) => {
      await dynamo.createTable(table);
      const name = 'x'.repeat(350_000);
      const items = samples(24).map(({ id }) => ({ ...itemOf({ id, name }), pk: { S: 'USER#1' }, sk: { S: `${id}` } }));
      await dynamo.put(table, items);
      return { source: source(table), items: 24, partitions: 1, bytes: 24 * name.length };
    },
    ...(unchanged === 'reload' ? { unversioned: true } : {}),
    cannot: {
      changed: 'a table has no versions: its keys are read as they are then, and the next run sees what was missed',
      ...(unchanged === 'reload' ? { fingerprint: 'only its keys were looked at: every plan has another one' } : {}),
    },
  });
}
