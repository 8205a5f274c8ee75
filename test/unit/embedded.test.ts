import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import type { Source } from '../../src/model/source.ts';
import { type EmbeddedOptions, embedded } from '../../src/sources/embedded.ts';
import { contextOf, readAll } from '../helpers/session/read.ts';

interface Item {
  text: string | undefined;
  embedding?: readonly number[];
}

let server: Server | undefined;
afterEach(() => server?.close());

type Answer = (texts: string[], request: number) => { status?: number; body?: unknown } | undefined;

/** A service on this machine; no answer means that it keeps the asker waiting. */
async function serve(answer: Answer): Promise<{ url: string; requests: string[][] }> {
  const requests: string[][] = [];
  server = createServer(async (request, response) => {
    const { input } = JSON.parse((await request.setEncoding('utf8').toArray()).join(''));
    requests.push(input);
    const given = answer(input, requests.length);
    if (given) response.writeHead(given.status ?? 200).end(JSON.stringify(given.body ?? null));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server!.address() as AddressInfo).port}/embed`, requests };
}

const items = (count: number): Item[] =>
  Array.from({ length: count }, (_, n) => ({ text: n % 2 === 0 ? `t${n}` : undefined }));

function source(values: Item[]): Source<Item> {
  return {
    description: 'items',
    async *enumerate() {
      yield { key: 'all', fingerprint: 'f', rows: null, bytes: null, file: '', shape: '', spec: {} };
    },
    open: async () => ({
      async *records() {
        for (const [row, value] of values.entries()) yield { row, value, raw: () => '' };
      },
      assertUnchanged: async () => undefined,
      close: async () => undefined,
    }),
  };
}

const options = (url: string, more: Partial<EmbeddedOptions<Item>> = {}): EmbeddedOptions<Item> => ({
  url,
  model: 'm',
  dimensions: 2,
  text: ({ text }) => text,
  put: (item, embedding) => {
    item.embedding = embedding;
  },
  ...more,
});

const vector = (text: string) => [Number(text.slice(1)), 1];

test('texts are sent in batches, answers go to their records, and the order stays', async () => {
  const { url, requests } = await serve((texts) => ({
    body: { data: texts.map((text, index) => ({ index, embedding: vector(text) })).reverse() },
  }));
  const values = items(150);
  const records = await readAll(embedded(source(values), options(url)), tmpdir());
  expect(records.map(({ row }) => row)).toEqual(values.map((_, row) => row));
  expect(values.map(({ embedding }) => embedding)).toEqual(values.map(({ text }) => text && vector(text)));
  expect(requests.map(({ length }) => length)).toEqual([32, 32, 11]);
});

test('other forms of an answer are understood as well', async () => {
  for (const wrap of [(list: number[][]) => list, (embeddings: number[][]) => ({ embeddings })]) {
    const { url } = await serve((texts) => ({ body: wrap(texts.map(vector)) }));
    const values = items(3);
    await readAll(embedded(source(values), options(url)), tmpdir());
    expect(values[2]!.embedding).toEqual([2, 1]);
    server!.close();
  }
});

test('a service that is busy or silent is asked again; one that stays so fails the partition for now', async () => {
  const { url, requests } = await serve((texts, request) => {
    if (request === 1) return { status: 503 };
    return request === 2 ? undefined : { body: texts.map(vector) };
  });
  const values = items(1);
  await readAll(embedded(source(values), options(url, { timeoutMs: 100 })), tmpdir());
  expect(values[0]!.embedding).toEqual([0, 1]);
  expect(requests).toHaveLength(3);
  server!.close();

  const down = embedded(source(items(1)), options('http://127.0.0.1:9/none', { tries: 2 }));
  await expect(readAll(down, tmpdir())).rejects.toMatchObject({ code: 'SERVICE_UNREACHABLE', transient: true });
});

test('answers that are of no use are not asked for again', async () => {
  for (const answer of [{ status: 401 }, { body: [[1]] }, { body: [[1, 2, 3]] }, { body: [] }, { body: 'x' }]) {
    const { url, requests } = await serve(() => answer);
    const refused = readAll(embedded(source(items(1)), options(url)), tmpdir());
    await expect(refused).rejects.toMatchObject({ code: 'SERVICE_REFUSED', transient: false });
    expect(requests).toHaveLength(1);
    server!.close();
  }
});

test('another service is other content; none leaves the source alone', async () => {
  const bare = source([]);
  expect(embedded(bare, options(''))).toBe(bare);
  const plans = await Array.fromAsync(embedded(bare, options('http://a')).enumerate(contextOf(tmpdir())));
  expect(plans[0]!.fingerprint).not.toBe('f');
});
