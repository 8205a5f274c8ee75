import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type S3Store, s3Store } from '../../src/store/s3.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

const BUCKET = 'cargo';
const MIB = 1024 * 1024;
let server: S3Server;
let store: S3Store;

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3(BUCKET);
  store = s3Store({ endpoint: server.endpoint });
});
afterEach(() => server.interfere(undefined));
afterAll(() => server.stop());

const at = (key: string) => ({ bucket: BUCKET, key });
const content = randomBytes(20 * MIB);

test('an object of several parts comes back byte for byte, whole and in ranges', async () => {
  const pieces = Array.from({ length: 20 }, (_, index) => content.subarray(index * MIB, (index + 1) * MIB));
  await store.upload(at('parts'), Readable.from(pieces));
  const { size, etag } = await store.head(at('parts'));
  expect(size).toBe(content.length);
  expect(etag).toMatch(/-3"$/);
  expect((await store.getBytes(at('parts'), {})).equals(content)).toBe(true);
  const range = await store.getBytes(at('parts'), { start: 5, end: 9 * MIB, etag });
  expect(range.equals(content.subarray(5, 9 * MIB))).toBe(true);
  expect(await store.getBytes(at('parts'), { start: 7, end: 7 })).toHaveLength(0);
});

test('an empty object is read as no bytes', async () => {
  await store.put(at('empty'), '');
  expect(await store.getBytes(at('empty'), {})).toHaveLength(0);
});

test('a body that breaks off again and again arrives whole', async () => {
  await store.put(at('broken'), content.subarray(0, 9 * MIB));
  let requests = 0;
  server.interfere(() => (++requests <= 3 ? { breakAfterBytes: 2 * MIB } : undefined));
  expect((await store.getBytes(at('broken'), { start: 10 })).equals(content.subarray(10, 9 * MIB))).toBe(true);
  expect(requests).toBe(4);
});

test('an object that is replaced while it is read is told as changed, never mixed', async () => {
  await store.put(at('replaced'), content.subarray(0, 9 * MIB));
  server.interfere(({ method }) => (method === 'GET' ? { breakAfterBytes: MIB } : undefined));
  const reading = (async () => {
    let read = 0;
    for await (const piece of store.get(at('replaced'))) {
      if (read === 0) await store.put(at('replaced'), content.subarray(MIB, 10 * MIB));
      read += piece.length;
    }
  })();
  await expect(reading).rejects.toMatchObject({ code: 'SOURCE_CHANGED', where: { file: 's3://cargo/replaced' } });
});

test('a wrong etag is refused before a byte is read', async () => {
  await store.put(at('pinned'), 'new');
  await expect(store.getBytes(at('pinned'), { etag: '"old"' })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
});

test('a listing goes on from page to page in the order of the keys', async () => {
  const keys = Array.from({ length: 1203 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
  await Promise.all(keys.map((key) => store.put(at(key), 'x')));
  await store.put(at('manyother'), 'x');
  const found = await Array.fromAsync(store.list(at('many/')), ({ key }) => key);
  expect(found).toEqual(keys);
  await store.delete(BUCKET, [...keys, 'many/never-there']);
  expect(await Array.fromAsync(store.list(at('many/')))).toEqual([]);
});

test('what cannot be had is told with its address and what to do', async () => {
  await expect(store.head(at('gone'))).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
  await expect(store.getBytes(at('gone'), {})).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
  await expect(Array.fromAsync(store.list({ bucket: 'nowhere', key: '' }))).rejects.toMatchObject({
    code: 'SOURCE_MISSING',
    message: 'There is no such bucket',
    where: { file: 's3://nowhere/' },
  });
  server.interfere(() => 'forbid');
  const denied = { code: 'STORE_DENIED', hint: expect.stringMatching(/AWS_ACCESS_KEY_ID/) };
  await expect(store.head(at('parts'))).rejects.toMatchObject(denied);
  await expect(store.getBytes(at('parts'), {})).rejects.toMatchObject(denied);
  await expect(store.put(at('parts'), 'x')).rejects.toMatchObject(denied);
  const nobody = s3Store({ endpoint: 'http://127.0.0.1:1' });
  await expect(nobody.head(at('parts'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', exit: 3 });
});

test('an upload that fails half-way leaves no object', async () => {
  async function* failing() {
    yield content.subarray(0, 12 * MIB);
    throw new Error('the source failed');
  }
  await expect(store.upload(at('half'), Readable.from(failing()))).rejects.toThrow(/the source failed/);
  await expect(store.head(at('half'))).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
});

test('reading stops at once when it is cancelled', async () => {
  await store.put(at('long'), content.subarray(0, 9 * MIB));
  const cancel = new AbortController();
  const reading = (async () => {
    for await (const _ of store.get(at('long'), { signal: cancel.signal })) cancel.abort();
  })();
  await expect(reading).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

test('endpoint and path style are known from the environment alone', async () => {
  process.env.AWS_ENDPOINT_URL_S3 = server.endpoint;
  try {
    await s3Store().put(at('by-environment'), 'x');
    expect(await store.getBytes(at('by-environment'), {})).toEqual(Buffer.from('x'));
  } finally {
    delete process.env.AWS_ENDPOINT_URL_S3;
  }
});
