import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import { s3Store } from '../../src/store/s3.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck } from '../helpers/duck.ts';
import { filesOnDisk, manifests, queryLake, soundFiles } from '../helpers/lake-files.ts';
import { TestProject } from '../helpers/project.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

/** Large enough for uploads of several parts. */
const ROWS = 150_000;
const FILES = 8;
const DAYS = 1;

const duck = createDuck();
let project: TestProject;
let server: S3Server;
let database: TestDatabase;
let workers: ChildProcess[] = [];

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3('cargo');
  project = await TestProject.create();
  Object.assign(project.env, server.env, { DRAYAGE_CONCURRENCY: '1' });
  await mkdir(join(project.root, 'in'));
  for (let file = 0; file < FILES; file++) {
    const made = `select i + ${file * ROWS} as id, date '2026-01-05' + (i % ${DAYS})::int as day, md5(i::varchar) as token, md5((i + 1)::varchar) as other from range(${ROWS}) t(i)`;
    await duck.use((connection) => query(connection, `copy (${made}) to '${project.root}/in/${file}.parquet'`));
  }
  await project.write(
    'jobs/away.ts',
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({
  name: 'away', description: 'Test', params: { root: { type: 'string' } }, source: () => files('in'),
  targets: { token: lake({ root: ({ root }) => root, date: 'day', compression: 'none' }) } });`,
  );
});
beforeEach(async () => {
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
});
afterEach(async () => {
  server.interfere(undefined);
  for (const worker of workers) if (worker.exitCode === null) worker.kill('SIGKILL');
  workers = [];
  await database.drop();
});
afterAll(async () => {
  await duck.close();
  await server.stop();
  await project.remove();
});

function startWorker(): ChildProcess {
  const worker = project.spawn(['work']);
  worker.stdout?.resume();
  worker.stderr?.resume();
  workers.push(worker);
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  worker.kill('SIGKILL');
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit');
}

const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 60_000, interval: 2 });

async function run(): Promise<Record<string, number | string>> {
  const { rows } = await database.pool.query('select * from drayage.runs');
  return rows[0];
}

/** Every row is in the lake once, every file is whole, and there is nothing else. */
async function expectSound(root: string): Promise<void> {
  const files = await soundFiles(duck, root);
  expect(await run()).toMatchObject({ state: 'succeeded', rows_written: FILES * ROWS, rows_read: FILES * ROWS });
  expect(files).toHaveLength(FILES * DAYS);
  expect(await manifests(root)).toHaveLength(1);
  expect(await filesOnDisk(root)).toEqual(files.map(({ path }) => path));
  const counted = 'select count(*)::int as rows, count(distinct id)::int as ids, max(id)::int as last from lake';
  const all = FILES * ROWS;
  expect(await queryLake(duck, root, 'token', counted)).toEqual([{ rows: all, ids: all, last: all - 1 }]);
}

async function endWith(worker: ChildProcess): Promise<void> {
  await until(async () => (await run()).finished_at !== null);
  worker.kill('SIGTERM');
  await once(worker, 'exit');
}

test('workers that are killed while they stage, put and publish leave every row exactly once in a folder', async () => {
  const root = join(project.root, 'lake');
  expect((await project.dray(['enqueue', 'away', '--param', 'root=lake'])).code).toBe(0);
  const staged = () => existsSync(join(root, '_staging')) && readdirSync(join(root, '_staging'), { recursive: true });
  const seen = new Set<string>();
  const inStaging = () => {
    const fresh = (staged() || []).filter((name) => String(name).endsWith('.parquet') && !seen.has(String(name)));
    for (const name of fresh) seen.add(String(name));
    return fresh.length > 0;
  };
  const halfPut = async () => {
    const { rows } = await database.pool.query(
      `select exists (select from drayage.lake_puts p where not exists (select from drayage.lake_files f where f.path = p.path)
         and p.path <> all ($1)) as half`,
      [[...put]],
    );
    return rows[0].half as boolean;
  };
  const put = new Set<string>();
  for (const moment of [inStaging, halfPut, inStaging, halfPut]) {
    const worker = startWorker();
    await until(moment);
    await kill(worker);
    const { rows } = await database.pool.query('select path from drayage.lake_puts');
    for (const { path } of rows) put.add(path);
    expect(await manifests(root)).toEqual([]);
  }
  const finisher = startWorker();
  await until(async () => (await run()).state === 'finalizing');
  await kill(finisher);
  await endWith(startWorker());
  await expectSound(root);
  // What was killed has left no folder behind.
  expect(readdirSync(join(root, '_staging'))).toEqual([]);
}, 180_000);

test('workers that are killed in the middle of what they send to S3 leave every row exactly once', async () => {
  expect((await project.dray(['enqueue', 'away', '--param', 'root=s3://cargo/lake'])).code).toBe(0);
  const isFile = (url: string) => url.includes('/token/');
  // The request at which a worker dies, and whether the server still gets it.
  const moments: { at: (request: { method: string; url: string }) => boolean; arrives: boolean }[] = [
    { at: ({ method, url }) => method === 'POST' && isFile(url) && url.includes('uploads'), arrives: true },
    { at: ({ method, url }) => method === 'PUT' && isFile(url) && url.includes('partNumber'), arrives: true },
    { at: ({ method, url }) => method === 'POST' && isFile(url) && url.includes('uploadId='), arrives: true },
    { at: ({ method, url }) => method === 'POST' && isFile(url) && url.includes('uploadId='), arrives: false },
    { at: ({ method, url }) => method === 'PUT' && url.includes('/_manifest/'), arrives: false },
    { at: ({ method, url }) => method === 'PUT' && url.includes('/_manifest/'), arrives: true },
  ];
  for (const { at, arrives } of moments) {
    const { promise: reached, resolve } = Promise.withResolvers<void>();
    const worker = startWorker();
    server.interfere((request) => {
      if (!at(request)) return undefined;
      worker.kill('SIGKILL');
      resolve();
      return arrives ? undefined : 'forbid';
    });
    await reached;
    await kill(worker);
    server.interfere(undefined);
  }
  await endWith(startWorker());
  const root = join(project.root, 'copy');
  const store = s3Store({ endpoint: server.endpoint });
  for await (const { key, bucket } of store.list({ bucket: 'cargo', key: 'lake/' })) {
    const file = join(root, key.slice('lake/'.length));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, await store.getBytes({ bucket, key }, {}));
  }
  await expectSound(root);
}, 240_000);
