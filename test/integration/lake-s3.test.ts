import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Lake } from '../../src/lake/lake.ts';
import { type S3Store, s3Store } from '../../src/store/s3.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish, upload } from '../helpers/lake.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

const BUCKET = 'cargo';
const duck = createDuck();
let server: S3Server;
let store: S3Store;
let home: string;

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3(BUCKET);
  store = s3Store({ endpoint: server.endpoint });
  home = await mkdtemp(join(tmpdir(), 'drayage-lake-s3-'));
  const root = join(home, 'made');
  const rows = (from: number) => `select i as id, md5(i::varchar) as hash from range(${from}, ${from + 20_000}) t(i)`;
  await publish(duck, root, 'first', [
    { dataset: 'ticket', day: '2026-01-30', query: rows(0) },
    { dataset: 'ticket', day: '2026-01-31', query: rows(20_000) },
    { dataset: 'entity', day: '2026-01-31', query: rows(0) },
  ]);
  await upload(store, root, BUCKET, 'lakes/one');
});
afterEach(() => server.interfere(undefined));
afterAll(async () => {
  await duck.close();
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

const open = (folder: string, diskMb = 100) =>
  new Lake({ root: `s3://${BUCKET}/lakes/one`, s3: { endpoint: server.endpoint }, home: join(home, folder), diskMb });
const SQL = 'select count(*) as n, sum(id) as ids, max(day) as day from ticket';
const ANSWER = [{ n: 40_000, ids: 799_980_000, day: 31 }];

test('a lake in S3 is answered from copies of the files that the query needs, which another process uses again', async () => {
  const asked: string[] = [];
  server.interfere(({ method, url }) => {
    if (method === 'GET' && url.includes('.parquet')) asked.push(url);
    return undefined;
  });
  const lake = open('shared');
  expect((await lake.query(SQL)).rows).toEqual(ANSWER);
  expect(asked).toHaveLength(2);
  await lake.close();
  const again = open('shared');
  expect((await again.query(SQL)).rows).toEqual(ANSWER);
  expect(asked).toHaveLength(2);
  expect(await readdir(join(home, 'shared', 'open'))).toHaveLength(1);
  await again.close();
  expect(await readdir(join(home, 'shared', 'open'))).toHaveLength(0);
});

test('a publish in S3 is seen by the next query', async () => {
  const lake = open('shared');
  expect(await lake.query(SQL)).toMatchObject({ rows: ANSWER, cached: false });
  expect(await lake.query(SQL)).toMatchObject({ rows: ANSWER, cached: true });
  const root = join(home, 'made-later');
  await publish(duck, root, 'second', [{ dataset: 'ticket', day: '2026-02-01', query: `select 1 as id, 'x' as hash` }]);
  await upload(store, root, BUCKET, 'lakes/one');
  expect(await lake.query('select count(*) as n from ticket')).toMatchObject({ rows: [{ n: 40_001 }], cached: false });
  await lake.close();
});

test('copies make room for others, and a query that needs more than there is room for says so', async () => {
  const sizes = await Array.fromAsync(store.list({ bucket: BUCKET, key: 'lakes/one/entity/' }));
  const mb = (sizes[0]!.size * 2.5) / 1e6;
  const lake = open('small', mb);
  await lake.query('select count(*) from ticket');
  const before = await readdir(join(home, 'small', 'files'));
  await expect(lake.query('select count(*) from entity, ticket')).rejects.toMatchObject({ code: 'SPOOL_FULL' });
  await lake.close();
  const other = open('small', mb);
  expect((await other.query('select count(*) as n from entity')).rows).toEqual([{ n: 20_000 }]);
  const after = await readdir(join(home, 'small', 'files'));
  expect(after.length).toBeLessThanOrEqual(before.length);
  await other.close();
});

test('a download that breaks off is resumed; an object that is not what was published is named', async () => {
  let breaks = 1;
  server.interfere(({ method, url }) =>
    method === 'GET' && url.includes('/entity/') && breaks-- > 0 ? { breakAfterBytes: 10_000 } : undefined,
  );
  const lake = open('broken');
  expect((await lake.query('select count(*) as n from entity')).rows).toEqual([{ n: 20_000 }]);
  await lake.close();
  const [entity] = await Array.fromAsync(store.list({ bucket: BUCKET, key: 'lakes/one/entity/' }));
  await store.put({ bucket: BUCKET, key: entity!.key }, Buffer.alloc(entity!.size, 'x'));
  const torn = open('torn');
  await expect(torn.query('select count(*) from entity')).rejects.toMatchObject({
    code: 'LAKE_INVALID',
    where: { file: `s3://${BUCKET}/${entity!.key}` },
  });
  expect(await readdir(join(home, 'torn', 'files'))).toEqual([]);
  await torn.close();
});

test('a bucket that is missing or refused is told as such', async () => {
  const nowhere = new Lake({ root: 's3://nobodys/lake', s3: { endpoint: server.endpoint }, home: join(home, 'none') });
  await expect(nowhere.query('select 1')).rejects.toMatchObject({ code: 'SOURCE_MISSING', message: /bucket/ });
  await nowhere.close();
  server.interfere(() => 'forbid');
  const refused = open('refused');
  await expect(refused.query('select 1')).rejects.toMatchObject({ code: 'STORE_DENIED' });
  await refused.close();
});
