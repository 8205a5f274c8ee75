import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { assertMemoryFits, memoryLimitMb, memoryNeededMb, usualMemoryUse } from '../../src/base/admission.ts';
import { LIMITS, troubleOf } from '../../src/postgres/health.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

let database: TestDatabase;
let project: TestProject;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await database.pool.query('create table log (id bigint)');
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

/** Somebody reads the table in a transaction, and somebody else waits to alter it. */
async function withWaiting(work: () => Promise<void>): Promise<void> {
  const [reader, owner] = [await database.pool.connect(), await database.pool.connect()];
  await reader.query('begin; select from log');
  const altered = owner.query('alter table log add column if not exists note text');
  try {
    await vi.waitUntil(async () => {
      const { rows } = await database.pool.query(
        `select from pg_locks where not granted and relation = 'log'::regclass and waitstart is not null`,
      );
      return rows.length > 0;
    });
    await work();
  } finally {
    await reader.query('commit');
    await altered;
    reader.release();
    owner.release();
  }
}

describe('the health of a database', () => {
  test('speaks against nothing when there is nothing', async () => {
    expect(await troubleOf(database.pool, ['log', 'no_such_table'])).toBeUndefined();
  });

  test('names the table that somebody waits for', async () => {
    await withWaiting(async () => {
      expect(await troubleOf(database.pool, ['log'], { ...LIMITS, lockWaitSeconds: 0 })).toMatch(
        /^somebody has been waiting for a lock on log for \d+ seconds$/,
      );
      expect(await troubleOf(database.pool, ['other'], { ...LIMITS, lockWaitSeconds: 0 })).toBeUndefined();
    });
  });

  test('counts connections', async () => {
    expect(await troubleOf(database.pool, [], { ...LIMITS, connectionShare: 0 })).toMatch(
      /^\d+ of \d+ connections are in use$/,
    );
  });
});

test('a worker that is held back says why, and goes on by itself', async () => {
  await project.write('in.jsonl', '{"id": 1}\n{"id": 2}\n');
  await project.write(
    'jobs/log.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({ name: 'log', description: 'Log', source: () => files('in.jsonl'), targets: { log: table({}) } });`,
  );
  expect((await project.dray(['enqueue', 'log'])).code).toBe(0);
  let worker: ReturnType<typeof project.spawn> | undefined;
  await withWaiting(async () => {
    const trouble = () => troubleOf(database.pool, ['log']);
    await vi.waitUntil(trouble, { timeout: 30_000, interval: 100 });
    worker = project.spawn(['work']);
    worker.stdout.resume();
    worker.stderr.resume();
    await vi.waitUntil(
      async () => (await database.pool.query('select from drayage.worker_status where held_back is not null')).rowCount,
      { timeout: 30_000, interval: 100 },
    );
    const { stdout } = await project.dray(['status']);
    expect(stdout).toMatch(/waits: somebody has been waiting for a lock on log/);
    const { rows } = await database.pool.query('select partitions_pending from drayage.runs');
    expect(rows).toEqual([{ partitions_pending: 1 }]);
  });
  await vi.waitUntil(
    async () => (await database.pool.query('select state from drayage.runs')).rows[0].state === 'succeeded',
    { timeout: 30_000, interval: 100 },
  );
  worker!.kill('SIGTERM');
}, 120_000);

describe('what fits into memory', () => {
  test('is as much as is usual where there is enough, and less where there is not', () => {
    expect(usualMemoryUse(8192)).toEqual({ concurrency: 2, duckdbMemoryMb: 128 });
    expect(usualMemoryUse(256)).toEqual({ concurrency: 1, duckdbMemoryMb: 96 });
    expect(memoryNeededMb(usualMemoryUse(512))).toBeLessThanOrEqual(512);
  });

  test('follows the share that a platform gives a process', () => {
    expect(memoryLimitMb({ WEB_MEMORY: '512' })).toBe(512);
    expect(memoryLimitMb({})).toBeGreaterThan(512);
  });

  test('is asked before a worker starts', async () => {
    expect(() => assertMemoryFits({ concurrency: 4, duckdbMemoryMb: 2000 }, 512)).toThrow(/needs about 2200 MB/);
    const { code, stderr } = await project.dray(['work'], { WEB_MEMORY: '256', DRAYAGE_DUCKDB_MEMORY_MB: '1000' });
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/there are 256 MB/) });
  });
});
