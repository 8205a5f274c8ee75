import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileCache } from '../../src/store/cache.ts';

const never = new AbortController().signal;
const content = Buffer.from('content');
let home: string;
let cache: FileCache;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'drayage-cache-'));
  cache = await FileCache.open(join(home, 'files'), join(home, 'links'), 1000);
});
afterEach(() => rm(home, { recursive: true }));

const wanted = (fetch: (signal: AbortSignal) => AsyncIterable<Uint8Array>) => ({
  key: 'key',
  name: 'day=1/file.parquet',
  size: content.length,
  fetch,
});

test('who waits for the download of somebody who is interrupted gets the file all the same', async () => {
  const first = new AbortController();
  const begun = Promise.withResolvers<void>();
  const hanging = wanted(async function* (signal) {
    begun.resolve();
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    yield content;
  });
  const whole = wanted(async function* () {
    yield content;
  });
  const interrupted = cache.hold(hanging, first.signal);
  const others = [cache.hold(whole, never), cache.hold(whole, never)];
  await begun.promise;
  first.abort(new Error('changed my mind'));
  await expect(interrupted).rejects.toThrow('changed my mind');
  const [path, same] = await Promise.all(others);
  expect(same).toBe(path);
  await cache.release(path!);
  expect(await readFile(path!)).toEqual(content);
  await cache.release(path!);
  await expect(readFile(path!)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a download that fails for everybody fails everybody', async () => {
  let tries = 0;
  const broken = wanted(async function* () {
    tries++;
    yield Buffer.of(1);
    throw new Error('no such object');
  });
  const both = await Promise.allSettled([cache.hold(broken, never), cache.hold(broken, never)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(tries).toBe(2);
});

test('a file that is asked for while it is being released is there', async () => {
  const file = wanted(async function* () {
    yield content;
  });
  for (let round = 0; round < 50; round++) {
    const path = await cache.hold(file, never);
    const release = cache.release(path);
    const again = await cache.hold(file, never);
    await release;
    expect(await readFile(again)).toEqual(content);
    await cache.release(again);
  }
});
