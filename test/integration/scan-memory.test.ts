import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { DuckConnection } from '../../src/duckdb/connection.ts';
import { Duck } from '../../src/duckdb/instance.ts';
import { rows, scan } from '../../src/duckdb/scan.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';

const duck = createDuck();
afterAll(() => duck.close());

test('a scan of long texts frees each chunk as it goes', async () => {
  const sql = `select repeat(md5(i::varchar), 64) as a, repeat(md5(i::varchar), 63) as b from range(100000) t(i)`;
  const read = () =>
    duck.use(async (connection) => {
      const startMb = process.memoryUsage().rss / 1e6;
      let [bytes, mostMb] = [0, 0];
      for await (const batch of scan(connection, sql)) {
        for (const { values } of batch.data.children) bytes += values.byteLength;
        mostMb = Math.max(mostMb, process.memoryUsage().rss / 1e6 - startMb);
      }
      return { bytes, mostMb };
    });
  // The first time it takes what the second one uses again.
  await read();
  const { bytes, mostMb } = await read();
  expect(bytes).toBeGreaterThan(400e6);
  expect(mostMb).toBeLessThan(150);
});

test('a scan that is given up lets go of what it had unpacked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drayage-scan-'));
  const file = join(folder, 'texts.parquet');
  await writeParquet(duck, `select repeat(md5(i::varchar), 64) as a from range(20000) t(i)`, file, 20_000);
  const own = new Duck({ memoryMb: 256, threads: 1, spillDirectory: '' });
  const held = async (connection: DuckConnection) => {
    const [found] = await rows(connection, 'select sum(memory_usage_bytes)::bigint as bytes from duckdb_memory()');
    return Number(found!.bytes) / 1e6;
  };
  await own.useInTurn(0, async (connection) => {
    for await (const _ of scan(connection, `select * from '${file}'`, { rows: 20_000 })) {
      expect(await own.use(held)).toBeGreaterThan(20);
      break;
    }
    expect(await own.use(held)).toBeLessThan(1);
  });
  await own.close();
  await rm(folder, { recursive: true });
});

test('large partitions wait for each other, and small ones for nobody', async () => {
  const small = new Duck({ memoryMb: 100, threads: 1, spillDirectory: '' });
  const asked: string[] = [];
  const begun: string[] = [];
  const gates = new Map<string, () => void>();
  const start = (name: string, needMb: number) =>
    small.useInTurn(needMb, async (_, turn) => {
      asked.push(name);
      await turn.take();
      begun.push(name);
      await new Promise<void>((resolve) => gates.set(name, resolve));
    });
  const open = async (count: number) => expect.poll(() => begun.length).toBe(count);
  const end = (name: string) => gates.get(name)!();
  const running = [start('first', 80)];
  await open(1);
  running.push(start('second', 80), start('third', 80), start('tiny', 10));
  await open(2);
  await expect.poll(() => asked.length).toBe(4);
  expect(begun).toEqual(['first', 'tiny']);
  // Their connections are opened side by side, so either may be the one that asks before the other.
  const [next, last] = asked.filter((name) => name === 'second' || name === 'third');
  end('first');
  await open(3);
  expect(begun[2]).toBe(next);
  end('tiny');
  end(next!);
  await open(4);
  end(last!);
  await Promise.all(running);
  await small.close();
});
