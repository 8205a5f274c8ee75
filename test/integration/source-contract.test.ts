import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ROW, type SourceContext } from '../../src/model/source.ts';
import { files } from '../../src/sources/files.ts';
import type { FilesOptions } from '../../src/sources/format.ts';
import { s3Store } from '../../src/store/s3.ts';
import { samples, WRITERS } from '../helpers/formats.ts';
import { openContext, plansOf, readAll, readPlan } from '../helpers/read-source.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

/** What every format does with its rows, wherever its files lie; what all sources do is in test/contract. */
const COLUMNS = { id: 'INTEGER', name: 'VARCHAR' };
const BUCKET = 'contract';

let root: string;
let server: S3Server;
let opened: Awaited<ReturnType<typeof openContext>>;
let context: SourceContext;

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3(BUCKET);
  root = await mkdtemp(join(tmpdir(), 'drayage-contract-'));
  opened = await openContext(root);
  context = opened.context;
});
afterEach(async () => {
  // Whatever happened, nothing stays behind.
  expect(await opened.spooled()).toEqual([]);
});
afterAll(async () => {
  await opened.close();
  await server.stop();
  await rm(root, { recursive: true });
});

/** Places to put files, and how a source is told of them. */
const STORES = {
  local: {
    pathOf: (name: string) => name,
    options: () => ({}),
    put: (name: string, content: Uint8Array) => writeFile(join(root, name), content),
  },
  s3: {
    pathOf: (name: string) => `s3://${BUCKET}/${name}`,
    options: (): FilesOptions => ({ s3: { endpoint: server.endpoint } }),
    put: (name: string, content: Uint8Array) =>
      s3Store({ endpoint: server.endpoint }).put({ bucket: BUCKET, key: name }, content),
  },
};

const CASES = Object.keys(WRITERS).flatMap((ending) =>
  (['local', 's3'] as const).map((place) => ({ ending, place, ...STORES[place] })),
);

describe.each(CASES)('$ending, $place', ({ ending, place, pathOf, options, put }) => {
  const name = (base: string) => `${base}-${ending.replaceAll('.', '-')}.${ending}`;
  const source = (base: string, more: FilesOptions = { columns: COLUMNS }) =>
    files(pathOf(name(base)), { ...options(), ...more });
  const write = async (base: string, count: number, offset = 0) =>
    put(name(base), await WRITERS[ending]!(samples(count, offset), context.duck));
  const numbers = async (base: string, more?: FilesOptions) => {
    const from = source(base, more);
    const [plan] = await plansOf(from, context);
    return (await readPlan(from, plan!, context)).rows.map((row) => Number(row[ROW]));
  };

  test('every row arrives once, with its number, whether columns are declared or found out', async () => {
    await write('good', 5000);
    expect(await readAll(source('good'), context)).toEqual(samples(5000));
    const found = await readAll(source('good', {}), context);
    expect(found.map(({ id, name: text }) => ({ id: Number(id), name: text }))).toEqual(samples(5000));
    const first = /csv|tsv/.test(ending) ? 2 : 1;
    expect(await numbers('good')).toEqual(samples(5000).map(({ id }) => id - 1 + first));
  });

  test('a large file is cut, if its format can be, and loses and repeats nothing', async () => {
    await write('large', 20_000);
    const from = source('large', { columns: COLUMNS, partitionRows: 5000, partitionBytes: 100_000 });
    const plans = await plansOf(from, context);
    const cuts = /^(parquet|jsonl|arrow|csv|tsv)$/.test(ending);
    if (cuts) expect(plans.length).toBeGreaterThan(3);
    else expect(plans).toHaveLength(1);
    expect(new Set(plans.map(({ key }) => key)).size).toBe(plans.length);
    expect(await readAll(from, context)).toEqual(samples(20_000));
    // Those of an Arrow file are numbered within the partition, and lines in S3 within their range.
    if (!cuts || (place === 's3' && ending === 'jsonl') || ending === 'arrow') return;
    const all = await Promise.all(plans.map((plan) => readPlan(from, plan, context)));
    const lineOf = all.flatMap(({ rows }) => rows.map((row) => Number(row[ROW])));
    const first = ending === 'jsonl' || ending === 'parquet' ? 1 : 2;
    expect(lineOf).toEqual(samples(20_000).map(({ id }) => id - 1 + first));
  });
});

describe('large CSV in S3', () => {
  const rows = Array.from({ length: 3000 }, (_, index) => ({
    id: index + 1,
    name: index % 3 === 0 ? `line\nafter "line", ${index}` : `plain ${index}`,
  }));
  const cut = { columns: COLUMNS, partitionBytes: 2000 };

  test('is cut between records, never at a line end inside of quotes', async () => {
    const quoted = rows.map(({ id, name }) => `${id},"${name.replaceAll('"', '""')}"\n`).join('');
    await STORES.s3.put('quoted.csv', Buffer.from(`id,name\n${quoted}`));
    const source = files(STORES.s3.pathOf('quoted.csv'), { ...STORES.s3.options(), ...cut });
    expect((await plansOf(source, context)).length).toBeGreaterThan(20);
    expect(await readAll(source, context)).toEqual(rows);
  });

  test('is looked at only where it is cut when there are no quotes', async () => {
    const plain = samples(60_000).map(({ id }) => ({ id, name: `it's "plain" ${id}` }));
    const text = `id,name\n${plain.map(({ id, name }) => `${id},${name}\n`).join('')}`;
    await STORES.s3.put('plain.csv', Buffer.from(text));
    const options = { columns: COLUMNS, partitionBytes: 400_000, csv: { quote: '' } };
    const source = files(STORES.s3.pathOf('plain.csv'), { ...STORES.s3.options(), ...options });
    expect((await plansOf(source, context)).length).toBeGreaterThan(2);
    expect(await readAll(source, context)).toEqual(plain);
  });
});
