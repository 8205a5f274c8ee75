import { afterAll, beforeAll, expect, test } from 'vitest';
import { LOCAL_ENV, LocalDynamo } from '../../jobs/samples/dynalite.ts';
import { explain } from '../../src/base/errors.ts';
import { ExactNumber, parseJson, toJson } from '../../src/base/json.ts';
import type { SourceContext } from '../../src/model/source.ts';
import { dynamodb } from '../../src/sources/dynamodb/index.ts';
import { dynamoError } from '../../src/store/dynamodb-errors.ts';
import { startProxy } from '../helpers/dynamo-proxy.ts';
import { openContext, plansOf, recordsOf, valuesOf } from '../helpers/source-context.ts';

let dynamo: LocalDynamo;
let context: SourceContext & { close(): Promise<void> };

beforeAll(async () => {
  Object.assign(process.env, LOCAL_ENV);
  dynamo = await LocalDynamo.start();
  context = await openContext();
});
afterAll(async () => {
  await context.close();
  await dynamo.close();
});

const at = (table: string, more: object = {}) =>
  dynamodb({ table, partitionKey: 'pk', endpoint: dynamo.endpoint, ...more });
const S = (text: string) => ({ S: text });

test('every type of attribute arrives without the loss of a digit, an element or a key', async () => {
  await dynamo.createTable('types');
  const huge = '12345678901234567890123456789012345678';
  const tiny = '0.00000000012345678901234567890123456789012345678';
  await dynamo.put('types', [
    {
      ...{ pk: S('USER#1'), sk: S('A'), empty: S(''), yes: { BOOL: true }, none: { NULL: true } },
      ...{ huge: { N: huge }, tiny: { N: tiny }, small: { N: '42' }, negative: { N: '-0.5' }, power: { N: '1E+125' } },
      bytes: { B: Uint8Array.of(0, 255) },
      strings: { SS: ['b', 'a'] },
      numbers: { NS: [huge, '1', '2'] },
      blobs: { BS: [Uint8Array.of(1), Uint8Array.of(2)] },
      map: { M: { list: { L: [{ N: huge }, S('x'), { M: {} }] }, deep: { M: { NS: { NS: ['1'] } } } } },
    },
  ]);
  const [record] = await recordsOf(at('types'), context);
  const { value, raw } = record as Extract<typeof record, { value: unknown }>;
  expect(value).toMatchObject({ empty: '', yes: true, none: null, small: 42, negative: -0.5 });
  expect(value.huge).toEqual(new ExactNumber(huge));
  expect(Number(value.power)).toBe(1e125);
  expect([...value.bytes]).toEqual([0, 255]);
  expect([...value.strings].sort()).toEqual(['a', 'b']);
  expect([...value.numbers].map(String).sort()).toEqual(['1', huge, '2']);
  expect(value.blobs.size).toBe(2);
  expect(toJson(value.map)).toBe(`{"list":[${huge},"x",{}],"deep":{"NS":[1]}}`);
  const asJson = parseJson(raw()) as { huge: { N: string }; bytes: { B: string } };
  expect([asJson.huge.N, asJson.bytes.B]).toEqual([huge, 'AP8=']);
});

test('a key that JavaScript takes for something else is kept', async () => {
  await dynamo.put('types', [{ pk: S('USER#1'), sk: S('A') }]);
  // The local server is written in JavaScript, and cannot hold such an item itself.
  const item = '{"odd":{"M":{"__proto__":{"S":"kept"},"constructor":{"S":"too"}}}}';
  const lost = '{"pk":{"S":"USER#2"},"__proto__":{"N":"1"}}';
  const proxy = await startProxy(dynamo.endpoint, (operation) =>
    operation === 'Query' ? { status: 200, body: `{"Items":[${item},${lost}],"Count":2}` } : undefined,
  );
  try {
    const [record, fault] = await recordsOf(at('types', { endpoint: proxy.endpoint }), context);
    const { value, raw } = record as Extract<typeof record, { value: unknown }>;
    expect(Object.entries(value.odd)).toEqual([
      ['__proto__', 'kept'],
      ['constructor', 'too'],
    ]);
    expect(JSON.parse(raw())).toEqual(JSON.parse(item));
    // The SDK loses it as the name of an attribute; that is seen.
    expect(fault).toMatchObject({
      row: 2,
      reason: 'unreadable_item',
      message: expect.stringMatching(/"__proto__" was lost/),
    });
  } finally {
    proxy.server.close();
  }
});

test('keys are found through empty pages, by their whole prefix, once each; items come in order, page after page', async () => {
  await dynamo.createTable('pages');
  const items = (pk: string, count: number, bytes: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...{ pk: S(pk), sk: S(`MSG#${String(index).padStart(3, '0')}`), n: { N: String(index) } },
      text: S('x'.repeat(bytes)),
    }));
  // Four megabytes that the filter leaves out: pages without an item that are not the last.
  await dynamo.put('pages', [...items('USERGROUP#1', 14, 300_000), ...items('USER#1', 12, 200_000)]);
  await dynamo.put('pages', [...items('USER#10', 3, 10), ...items('USER#2', 1, 10), ...items('OTHER#1', 1, 10)]);

  const source = at('pages', { prefix: 'USER#', segments: 3, idsPerPartition: 1 });
  const plans = await plansOf(source, context);
  expect(plans.map(({ key }) => key)).toEqual(['pages#USER#1', 'pages#USER#10', 'pages#USER#2']);
  const records = await recordsOf(source, context, plans.slice(0, 1));
  expect(records.map((record) => [record.row, 'value' in record && record.value.n])).toEqual(
    Array.from({ length: 12 }, (_, index) => [index + 1, index]),
  );
  const all = await valuesOf(at('pages', { idsPerPartition: 100, queries: 2 }), context);
  expect(all.map(({ pk }) => pk)).toEqual([
    'OTHER#1',
    ...Array(12).fill('USER#1'),
    ...Array(3).fill('USER#10'),
    'USER#2',
    ...Array(14).fill('USERGROUP#1'),
  ]);
});

test('a plan that skips knows changed keys by their content, and a new key changes its own pack alone', async () => {
  await dynamo.createTable('packs');
  const id = (number: number) => `USER#${String(number).padStart(4, '0')}`;
  const item = (number: number, more: object = {}) => ({
    pk: S(id(number)),
    sk: S('A'),
    set: { SS: ['a', 'b'] },
    ...more,
  });
  await dynamo.put(
    'packs',
    Array.from({ length: 300 }, (_, index) => item(index * 2)),
  );
  const source = at('packs', { unchanged: 'skip', idsPerPartition: 20 });
  const fingerprints = async (from = source) => (await plansOf(from, context)).map(({ fingerprint }) => fingerprint);
  const before = await fingerprints();
  expect(before.length).toBeGreaterThan(8);
  expect(before.length).toBeLessThan(31);
  expect(await fingerprints()).toEqual(before);

  const changed = async (items: Parameters<LocalDynamo['put']>[1]) => {
    const old = new Set(await fingerprints());
    await dynamo.put('packs', items);
    return (await fingerprints()).filter((fingerprint) => !old.has(fingerprint)).length;
  };
  expect(await changed([item(100, { set: { SS: ['b', 'a'] } })])).toBe(0);
  expect(await changed([item(100, { more: S('x') })])).toBe(1);
  // A key that ends a pack makes two of one.
  expect(await changed([item(101)])).toBeLessThanOrEqual(3);

  const reload = at('packs', { idsPerPartition: 20 });
  const [first, second] = [await fingerprints(reload), await fingerprints(reload)];
  expect(first.filter((fingerprint) => second.includes(fingerprint))).toEqual([]);
});

test('reads keep to the read units that they are given', async () => {
  await dynamo.createTable('slow');
  const text = S('x'.repeat(40_000));
  await dynamo.put(
    'slow',
    Array.from({ length: 20 }, (_, index) => ({ pk: S(`USER#${index}`), sk: S('A'), text })),
  );
  const startedMs = performance.now();
  // 20 items of 10 units, half of that as reads are not consistent, scanned and queried: 200 units, of which 100 are there.
  await valuesOf(at('slow', { readUnits: 100, segments: 1 }), context);
  expect(performance.now() - startedMs).toBeGreaterThan(700);
});

test('keys may be numbers and bytes', async () => {
  for (const [type, value] of [
    ['N', { N: '12345678901234567890123456789012345678' }],
    ['B', { B: Uint8Array.of(0, 1, 254) }],
  ] as const) {
    await dynamo.create({
      TableName: `key-${type}`,
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: type }],
    });
    await dynamo.put(`key-${type}`, [{ id: value, text: S('found') }]);
    const source = dynamodb({ table: `key-${type}`, partitionKey: 'id', endpoint: dynamo.endpoint });
    expect(await valuesOf(source, context)).toMatchObject([{ text: 'found' }]);
    const prefixed = dynamodb({ table: `key-${type}`, partitionKey: 'id', prefix: 'x', endpoint: dynamo.endpoint });
    await expect(plansOf(prefixed, context)).rejects.toThrow(/which has no prefix/);
  }
});

test('partitions have names that a database takes, however long or odd the keys are', async () => {
  await dynamo.create({
    TableName: 'long-keys',
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
  });
  await dynamo.put('long-keys', [{ pk: S(`a\0${'x'.repeat(1990)}`) }, { pk: S(`b${'y'.repeat(1990)}`) }]);
  const [plan, ...others] = await plansOf(at('long-keys'), context);
  expect(others).toEqual([]);
  expect(plan!.key.length).toBeLessThan(300);
  expect(plan!.key).not.toContain('\0');
  expect(await valuesOf(at('long-keys'), context)).toHaveLength(2);
});

test('what is wrong is said by name', async () => {
  await expect(plansOf(at('nosuch'), context)).rejects.toMatchObject({
    code: 'SOURCE_MISSING',
    where: { file: 'nosuch' },
  });
  await dynamo.createTable('plain');
  const wrongKey = dynamodb({ table: 'plain', partitionKey: 'PK', endpoint: dynamo.endpoint });
  await expect(plansOf(wrongKey, context)).rejects.toThrow(/partition key of the table is "pk"/);
  await expect(
    plansOf(dynamodb({ table: 'plain', partitionKey: 'pk', endpoint: 'http://127.0.0.1:1' }), context),
  ).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
  });
  expect(() => dynamodb({ table: '', partitionKey: 'pk' })).toThrow(/table is missing/);
  expect(() => at('plain', { segment: 3 })).toThrow(/segment is unknown. Did you mean "segments"/);
  expect(() => at('plain', { segments: 0 })).toThrow(/segments is not from 1/);
});

test('a throttle that lasts is worth another attempt, and tells what helps', () => {
  const name = 'ProvisionedThroughputExceededException';
  const error = dynamoError({ name, message: 'no' }, 'chats', new AbortController().signal);
  expect(error).toMatchObject({ code: 'STORE_FAILED', transient: true, where: { file: 'chats' } });
  expect(explain(error)).toMatch(/DynamoDB throttles the reads.*read capacity.*readUnits/);
});
