import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceContext } from '../../src/model/source.ts';
import { dynamodbExport } from '../../src/sources/dynamodb/export.ts';
import { parseS3, s3Store } from '../../src/store/s3.ts';
import { type ExportFlaws, exportFiles, writeExport } from '../helpers/dynamo-export.ts';
import { S3_ENV, startS3 } from '../helpers/s3.ts';
import { openContext, plansOf, recordsOf, valuesOf } from '../helpers/source-context.ts';

let context: SourceContext & { close(): Promise<void> };

beforeAll(async () => {
  context = await openContext();
});
afterAll(() => context.close());

const line = (item: object) => JSON.stringify({ Item: item });
const HUGE = '12345678901234567890123456789012345678';
const FILES = [
  [
    line({ pk: { S: 'USER#1' }, n: { N: HUGE }, b: { B: 'AP8=' } }),
    line({ pk: { S: 'USER#2' }, s: { NS: [HUGE, '1'] } }),
  ],
  [`{"Item":{"pk":{"S":"USER#3"},"odd":{"M":{"__proto__":{"N":"1"}}},"long":{"S":"${'x'.repeat(1_000_000)}"}}}`],
];

/** What reading an export with this flaw comes to. */
async function problem(flaws: ExportFlaws, files: Parameters<typeof exportFiles>[0] = FILES) {
  await rm(join(context.root, 'flawed'), { recursive: true, force: true });
  await writeExport(join(context.root, 'flawed'), files, flaws);
  return recordsOf(dynamodbExport('flawed'), context).catch((error) => error);
}

test('an export on disk and in S3 gives every item, a partition for each file, the same each time', async () => {
  Object.assign(process.env, S3_ENV);
  const s3 = await startS3('exports');
  try {
    await writeExport(join(context.root, 'export'), FILES);
    const uri = 's3://exports/backups/AWSDynamoDB/1';
    const { bucket, key } = parseS3(uri);
    const options = { endpoint: s3.endpoint };
    for (const [name, content] of exportFiles(FILES))
      await s3Store(options).put({ bucket, key: `${key}/${name}` }, content);

    for (const source of [dynamodbExport('export/'), dynamodbExport(uri, { s3: options })]) {
      const values = await valuesOf(source, context);
      expect(values.map(({ pk }) => pk)).toEqual(['USER#1', 'USER#2', 'USER#3']);
      expect([String(values[0]!.n), values[0]!.b, [...values[1]!.s].map(String)]).toEqual([
        HUGE,
        Buffer.of(0, 255),
        [HUGE, '1'],
      ]);
      expect(Object.entries(values[2]!.odd)).toEqual([['__proto__', 1]]);
      expect(values[2]!.long).toHaveLength(1_000_000);
    }
    const [onDisk, inS3] = [
      await plansOf(dynamodbExport('export'), context),
      await plansOf(dynamodbExport(uri, { s3: options }), context),
    ];
    expect(onDisk.map(({ key, rows }) => [key, rows])).toEqual([
      ['export/data/file0.json.gz', 2],
      ['export/data/file1.json.gz', 1],
    ]);
    // The same content, wherever it lies.
    expect(inS3.map(({ fingerprint }) => fingerprint)).toEqual(onDisk.map(({ fingerprint }) => fingerprint));
  } finally {
    await s3.stop();
  }
});

test('a line that is none is a fault with its number, and the others are read', async () => {
  const good = line({ pk: { S: 'USER#1' } });
  const found = await problem({}, [
    [good, good.slice(0, 20), Buffer.of(0xff, 0xfe), '{"Items":{}}', line({ a: { X: '1' } }), good],
  ]);
  expect(found.map((one: { row: number; reason?: string }) => [one.row, one.reason])).toEqual([
    [1, undefined],
    [2, 'invalid_json'],
    [3, 'invalid_utf8'],
    [4, 'invalid_json'],
    [5, 'unreadable_item'],
    [6, undefined],
  ]);
  expect(found[1]).toMatchObject({ raw: JSON.stringify(good.slice(0, 20)) });
});

test.each<[string, ExportFlaws, object]>([
  [
    'cut off',
    { damage: (packed) => packed.subarray(0, packed.length - 20) },
    { code: 'SOURCE_UNREADABLE', message: /cut off/ },
  ],
  ['no gzip', { damage: () => Buffer.from('hello') }, { code: 'SOURCE_UNREADABLE', message: /damaged/ }],
  ['of another content', { md5Checksum: 'AAAAAAAAAAAAAAAAAAAAAA==' }, { code: 'SOURCE_CHANGED', message: /MD5/ }],
  ['short of items', { itemCount: 7 }, { code: 'SOURCE_UNREADABLE', message: /announces 7 items, and the file has 2/ }],
  ['in Ion', { summary: { outputFormat: 'ION' } }, { code: 'SOURCE_INVALID', message: /in ION/ }],
  [
    'incremental',
    { summary: { exportType: 'INCREMENTAL_EXPORT' } },
    { code: 'SOURCE_INVALID', message: /holds changes/ },
  ],
])('an export that is %s is refused', async (_, flaws, { code, message }: { code?: string; message?: RegExp }) => {
  expect(await problem(flaws)).toMatchObject({
    code,
    message: expect.stringMatching(message!),
    where: { file: expect.any(String) },
  });
});

test('files that are missing are named', async () => {
  await expect(plansOf(dynamodbExport('nowhere'), context)).rejects.toMatchObject({
    code: 'SOURCE_MISSING',
    message: expect.stringMatching(/nowhere\/manifest-summary.json/),
  });
  await writeExport(join(context.root, 'partial'), FILES);
  await rm(join(context.root, 'partial/data/file1.json.gz'));
  await expect(valuesOf(dynamodbExport('partial'), context)).rejects.toMatchObject({
    code: 'SOURCE_MISSING',
    message: expect.stringMatching(/file1.json.gz/),
  });
});
