import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import { LakeCatalog } from '../../src/lake/catalog.ts';
import { Lake } from '../../src/lake/lake.ts';
import { formatManifest, manifestPath } from '../../src/model/manifest.ts';
import { type S3Store, s3Store } from '../../src/store/s3.ts';
import { S3Place } from '../../src/store/s3-place.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

const BUCKET = 'cargo';
const ROWS = 300_000;
let { project, database }: Partial<Workspace> = {};
let server: S3Server;
let store: S3Store;

const duck = useWorkspace((opened) => {
  ({ project, database } = opened);
});
beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3(BUCKET);
  Object.assign(project!.env, server.env);
  store = s3Store({ endpoint: server.endpoint });
  await mkdir(`${project!.root}/in`);
  // Numbers that no codec makes small: the files are of several parts.
  const made = `select i as id, date '2026-01-05' + (i % 2)::int as day, md5(i::varchar) as token, md5((i + 1)::varchar) as other from range(${ROWS}) t(i)`;
  await duck.use((connection) => query(connection, `copy (${made}) to '${project!.root}/in/rows.parquet'`));
  await project!.write(
    'jobs/away.ts',
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({
  name: 'away', description: 'Test', params: { root: { type: 'string' }, path: { type: 'string', default: 'in' } },
  source: ({ path }) => files(path), retries: 0,
  targets: { token: lake({ root: ({ root }) => root, date: 'day', compression: 'none' }) } });`,
  );
});
afterEach(() => server.interfere(undefined));
afterAll(() => server.stop());

const away = (root: string, env: NodeJS.ProcessEnv = {}, ...more: string[]) =>
  project!.dray(['run', 'away', '--param', `root=${root}`, ...more, '--json'], env);
const keys = async (prefix: string) => {
  const found = await Array.fromAsync(store.list({ bucket: BUCKET, key: prefix }));
  return found.map(({ key, size }) => ({ key, size }));
};

test('files of several parts and their manifest get into S3, and answer a query', async () => {
  const { code, stdout } = await away('s3://cargo/lake/');
  expect({ code, report: JSON.parse(stdout) }).toMatchObject({
    code: 0,
    report: {
      state: 'succeeded',
      rows: { written: ROWS },
      lake: { root: 's3://cargo/lake', datasets: [{ files: 2, rows: ROWS }] },
    },
  });
  const found = await keys('lake/');
  expect(found.map(({ key }) => key.replace(/\d+-[0-9a-f]{16}\.|[^/]*\.json/, ''))).toEqual([
    'lake/',
    'lake/_manifest/',
    'lake/token/year=2026/month=01/day=05/job_parquet',
    'lake/token/year=2026/month=01/day=06/job_parquet',
  ]);
  expect(Math.min(...found.slice(2).map(({ size }) => size))).toBeGreaterThan(8 * 1024 * 1024);
  const lake = new Lake({
    root: 's3://cargo/lake',
    home: `${project!.root}/reader`,
    s3: { endpoint: server.endpoint },
  });
  const { rows } = await lake.query(
    'select count(*) as rows, count(distinct id) as ids, sum(id)::bigint as sum from token',
  );
  expect(rows).toEqual([{ rows: ROWS, ids: ROWS, sum: (ROWS * (ROWS - 1)) / 2 }]);
  await lake.close();
  // A second run leaves everything as it is.
  expect(JSON.parse((await away('s3://cargo/lake')).stdout)).toMatchObject({ partitions: { skipped: 1 } });
  expect(await keys('lake/')).toEqual(found);
});

test('a file that an attempt has put which came to nothing is swept', async () => {
  let uploads = 0;
  let refused = false;
  server.interfere(({ method, url }) => {
    if (method === 'POST' && url.includes('uploads')) uploads++;
    // The second file's upload breaks off; the first one is in its place.
    if (method === 'PUT' && uploads === 2 && url.includes('partNumber')) refused = true;
    return refused && !url.includes('list-type') && method !== 'POST' && !/uploads/.test(url) && method !== 'DELETE'
      ? 'forbid'
      : undefined;
  });
  const { code, stdout } = await away('s3://cargo/swept');
  expect({ code, report: JSON.parse(stdout) }).toMatchObject({
    code: 1,
    report: {
      state: 'failed',
      errors: [{ code: 'STORE_DENIED', message: /S3 refuses access/ }],
      lake: { manifest: null },
    },
  });
  server.interfere(undefined);
  expect((await keys('swept/')).map(({ key }) => key)).toEqual(['swept/_lake.json']);
});

test('an upload whose writer is no more is given up, and those of others are not', async () => {
  // The server that the other tests use has no list of uploads.
  const given: string[] = [];
  const listing = createServer(({ method, url = '' }, response) => {
    if (method === 'DELETE') given.push(url.replace(/[?&]x-id=\w+/, ''));
    const uploads = ['up/a', 'up/b'].map((key) => `<Upload><Key>${key}</Key><UploadId>of-${key}</UploadId></Upload>`);
    response.setHeader('content-type', 'application/xml');
    if (method === 'DELETE') response.writeHead(204).end();
    else response.end(`<ListMultipartUploadsResult>${uploads.join('')}</ListMultipartUploadsResult>`);
  });
  await new Promise<void>((resolve) => listing.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(listing.address() as AddressInfo).port}`;
  await new S3Place('s3://cargo/up', { endpoint }).giveUp(['a', 'c'], new AbortController().signal);
  expect(given).toEqual([expect.stringMatching(/^\/cargo\/up\/a\?.*uploadId=of-up%2Fa/)]);
  listing.close();
});

test.each([
  ['a bucket that is not there', 's3://nowhere/lake', {}, 2, /There is no such bucket/],
  ['credentials that are refused', 's3://cargo/refused', {}, 2, /S3 refuses access/],
  [
    'no credentials',
    's3://cargo/refused',
    { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
    2,
    /Credentials are looked for/,
  ],
  ['a server that is not there', 's3://cargo/lake', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }, 3, /out of reach/],
  ['no bucket at all', 's3:///lake', {}, 2, /names no bucket/],
])('%s is told before anything begins', async (what, root, env, exit, message) => {
  const before = await database!.pool.query('select count(*)::int as runs from drayage.runs');
  if (what === 'credentials that are refused') server.interfere(() => 'forbid');
  const { code, stderr, stdout } = await away(root, { AWS_MAX_ATTEMPTS: '1', ...env });
  expect({ code, text: stderr + stdout }).toMatchObject({ code: exit, text: expect.stringMatching(message) });
  const after = await database!.pool.query('select count(*)::int as runs from drayage.runs');
  expect(after.rows).toEqual(before.rows);
});

test('a run and a compaction that remove the same file at the same moment: both give way, and the run comes back', async () => {
  await project!.write('few/rows.csv', 'id\n1\n2\n');
  await project!.write(
    'jobs/few.ts',
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({ name: 'few', description: 'Test', source: () => files('few'),
  targets: { thing: lake({ root: 's3://cargo/crossed', changed: 'replace' }) } });`,
  );
  expect((await project!.dray(['run', 'few'])).code).toBe(0);
  const root = 's3://cargo/crossed';
  const signal = new AbortController().signal;
  const catalog = new LakeCatalog(root, '/', { endpoint: server.endpoint });
  const place = new S3Place(root, { endpoint: server.endpoint });
  const removes = (await catalog.read(signal)).files.map(({ path }) => path);
  const rival = { version: 1 as const, run: 'rival', job: 'dray lake compact', files: [], removes };
  const text = formatManifest({ ...rival, published: new Date().toISOString() });
  let moment = 'nobody has written';
  server.interfere(async ({ method, url }) => {
    if (moment === 'nobody has written' && method === 'PUT' && url.includes('crossed/_manifest')) {
      moment = 'both have looked and write';
      await place.write(manifestPath('rival'), text, signal);
    } else if (moment === 'both have looked and write' && method === 'POST' && /[?&]delete/.test(url)) {
      moment = 'both take theirs back';
      await place.remove([manifestPath('rival')], signal);
    }
    return undefined;
  });
  await project!.write('few/rows.csv', 'id\n3\n4\n5\n');
  const { code, stdout } = await project!.dray(['run', 'few', '--json']);
  expect({ code, moment }).toEqual({ code: 0, moment: 'both take theirs back' });
  expect(JSON.parse(stdout)).toMatchObject({ state: 'succeeded', errors: [] });
  const state = await catalog.read(signal);
  expect(state.manifests.map((one) => one.removes)).toEqual([[], removes]);
  expect(state.files).toMatchObject([{ rows: 3 }]);
});
