import { existsSync, rmSync } from 'node:fs';
import { appendFile, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { LakeCatalog } from '../../src/lake/catalog.ts';
import { Lake } from '../../src/lake/lake.ts';
import { assertNotCompacted, publishManifest } from '../../src/lake/maintenance.ts';
import { formatManifest, type Manifest, manifestPath } from '../../src/model/manifest.ts';
import { LocalPlace } from '../../src/store/local-place.ts';
import { s3Store } from '../../src/store/s3.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish, upload } from '../helpers/lake.ts';
import { TestProject } from '../helpers/project.ts';
import { type S3Server, startS3 } from '../helpers/s3.ts';

const BUCKET = 'cargo';
const duck = createDuck();
let made: string;
let project: TestProject;
let server: S3Server;

beforeAll(async () => {
  project = await TestProject.create();
  server = await startS3(BUCKET);
  made = await mkdtemp(join(tmpdir(), 'drayage-lake-kept-'));
  const rows = (from: number, count: number) =>
    `select i as id, if(i % 7 = 0, null, md5(i::varchar)) as hash, [i, null] as list, '{"i": ' || i || '}' as raw,
      i::decimal(20,3) as amount, 'nan'::double as nan from range(${from}, ${from + count}) t(i)`;
  await publish(duck, made, 'first', [
    { dataset: 'ticket', day: '2024-02-29', query: rows(0, 100) },
    { dataset: 'ticket', day: '2026-01-30', query: rows(100, 100) },
    { dataset: 'ticket', day: '2026-01-30', number: 2, query: rows(200, 100) },
    { dataset: 'entity', day: '2026-01-30', query: 'select 1 as ticket_id' },
  ]);
  await publish(duck, made, 'second', [{ dataset: 'ticket', day: '2026-01-30', query: rows(300, 50) }]);
});
afterAll(async () => {
  await duck.close();
  await server.stop();
  await project.remove();
  await rm(made, { recursive: true, force: true });
});

/** A lake of its own for a test. */
async function fresh(name: string): Promise<string> {
  const root = join(project.root, name);
  await cp(made, root, { recursive: true });
  return root;
}
const dray = async (root: string, ...args: string[]) => {
  const { code, stdout, stderr } = await project.dray(['lake', ...args, '--lake', root, '--json'], server.env);
  return { code, stderr, answer: JSON.parse(stdout) };
};
const CONTENT = 'select count(*) as n, sum(hash(t)) as sum from (select * from ticket) t';
async function content(root: string, s3 = {}) {
  const lake = new Lake({ root, s3, home: join(project.root, '.drayage/cache') });
  const { rows } = await lake.query(CONTENT);
  await lake.close();
  return rows;
}

test('ls tells of every dataset how much it holds, what could be compacted, and when it was published', async () => {
  const { code, answer } = await dray(made, 'ls');
  expect(code).toBe(0);
  expect(answer.datasets).toMatchObject([
    { dataset: 'entity', files: 1, rows: 1, small_files: 0 },
    { dataset: 'ticket', files: 4, rows: 350, small_files: 3, last_published: expect.stringMatching(/^20\d\d-/) },
  ]);
  expect((await dray(made, 'ls', 'ticket')).answer.datasets).toHaveLength(1);
  const shown = await project.dray(['lake', 'ls', '--lake', made]);
  expect(shown.stdout).toMatch(/^dataset +files +rows +bytes +smallest +to compact +last published\nentity +1 +1 /);
});

test('verify reads every byte, and names what is missing, changed, or in no manifest', async () => {
  const root = await fresh('verified');
  expect(await dray(root, 'verify')).toMatchObject({
    code: 0,
    answer: { ok: true, files: 5, rows: 351, faults: [], orphans: [] },
  });
  const day = 'ticket/year=2026/month=01/day=30';
  await rm(join(root, day, 'job_first-1.parquet'));
  await appendFile(join(root, day, 'job_first-2.parquet'), 'more');
  const { bytes, path } = (await new LakeCatalog(root, '/').read(new AbortController().signal)).files.at(-1)!;
  await writeFile(join(root, path), Buffer.alloc(bytes));
  await writeFile(join(root, day, 'stray.parquet'), 'stray');
  const { code, answer } = await dray(root, 'verify');
  expect(code).toBe(1);
  expect(answer.ok).toBe(false);
  expect(answer.faults).toEqual([
    { path: `${day}/job_first-1.parquet`, problem: 'it is not there' },
    { path: `${day}/job_first-2.parquet`, problem: expect.stringMatching(/bytes, and \d+ were published/) },
    { path, problem: 'it holds other bytes than were published' },
  ]);
  expect(answer.orphans).toEqual([{ path: `${day}/stray.parquet`, bytes: 5, removed: false }]);
});

test('expire removes days that are older, and nothing before it is told to', async () => {
  const root = await fresh('expired');
  const dry = await dray(root, 'expire', '--older-than', '2024-03-01');
  expect(dry.answer).toMatchObject({ done: false, files: 1, rows: 100, first_day_kept: '2024-03-01' });
  expect((await content(root))[0]).toMatchObject({ n: 350 });
  expect((await dray(root, 'expire', '--older-than', '2024-02-29')).answer.files).toBe(0);
  expect((await dray(root, 'expire', 'entity', '--older-than', '2024-03-01')).answer.files).toBe(0);
  const done = await dray(root, 'expire', '--older-than', '2024-03-01', '--yes', '--grace', '0');
  expect(done.answer).toMatchObject({ done: true, files: 1 });
  expect((await content(root))[0]).toMatchObject({ n: 250 });
  expect(existsSync(join(root, dry.answer.paths[0]))).toBe(false);
  expect((await dray(root, 'verify')).answer).toMatchObject({ ok: true, orphans: [] });
});

test('compact puts the small files of a folder together, with the very same rows', async () => {
  const root = await fresh('compacted');
  const before = await content(root);
  expect((await dray(root, 'compact')).answer).toMatchObject({ done: false, files: 3, files_made: 1 });
  const done = await dray(root, 'compact', '--yes', '--grace', '0');
  expect(done).toMatchObject({ code: 0, answer: { done: true, files: 3, rows: 250, files_made: 1 } });
  expect(await content(root)).toEqual(before);
  expect(await readdir(join(root, 'ticket/year=2026/month=01/day=30'))).toEqual([
    expect.stringMatching(/^job_compact-[0-9a-f]{16}\.parquet$/),
  ]);
  expect((await dray(root, 'verify')).answer).toMatchObject({ ok: true, files: 3, rows: 351, orphans: [] });
  expect((await dray(root, 'compact', '--yes')).answer.files).toBe(0);
  // What a run would replace now lives on in the compacted file.
  const catalog = new LakeCatalog(root, '/');
  await expect(assertNotCompacted(catalog, done.answer.paths, new AbortController().signal)).rejects.toMatchObject({
    code: 'LAKE_INVALID',
  });
});

test('what was compacted, expired and loaded again may be compacted again', async () => {
  const root = await fresh('compacted-again');
  const before = await content(root);
  await dray(root, 'compact', '--yes', '--grace', '0');
  await dray(root, 'expire', 'ticket', '--older-than', '2026-02-01', '--yes', '--grace', '0');
  const again = (day: string, file: string, number: number) => {
    const path = `${made}/ticket/year=${day.replace('-', '/month=').replace('-', '/day=')}/job_${file}.parquet`;
    return { dataset: 'ticket', day, number, query: `from read_parquet('${path}', hive_partitioning = false)` };
  };
  await publish(duck, root, 'third', [
    again('2024-02-29', 'first-1', 1),
    again('2026-01-30', 'first-1', 1),
    again('2026-01-30', 'first-2', 2),
    again('2026-01-30', 'second-1', 3),
  ]);
  expect(await content(root)).toEqual(before);
  expect((await dray(root, 'compact', '--yes', '--grace', '0')).answer).toMatchObject({ files: 3, files_made: 1 });
  expect(await content(root)).toEqual(before);
});

test.each([
  ['a compaction finds the run', 'compact', 'run', 'run'],
  ['a run finds the compaction', 'run', 'compact', 'compact'],
  ['an expiry finds the compaction', 'expire', 'compact', 'compact'],
  ['an expiry and a run that remove the same are at peace', 'expire', 'run', undefined],
])('two that remove the same file at the same moment: %s', async (_, mine, other, stays) => {
  const root = await fresh(`crossed-${mine}-${other}`);
  const catalog = new LakeCatalog(root, '/');
  const signal = new AbortController().signal;
  const { files } = await catalog.read(signal);
  const manifest = (who: string): Manifest => {
    const job = who === 'run' ? 'job' : `dray lake ${who}`;
    return { version: 1, run: who, job, published: new Date().toISOString(), files: [], removes: [files[0]!.path] };
  };
  const write = (who: string) => writeFile(join(root, manifestPath(who)), formatManifest(manifest(who)));
  // Both have looked before either has written.
  const place = new (class extends LocalPlace {
    override async write(path: string, text: string) {
      await super.write(path, text);
      await write(other);
    }
  })(root, '/');
  const published = publishManifest({ catalog, place, signal }, manifest(mine));
  if (stays === undefined) await published;
  else await expect(published).rejects.toMatchObject({ code: 'LAKE_CHANGED' });
  const left = (await readdir(join(root, '_manifest'))).sort();
  expect(left).toEqual(
    [...(stays === undefined ? [mine, other] : [stays]), 'first', 'second'].sort().map((name) => `${name}.json`),
  );
});

test('a manifest that is taken back while the lake is looked at does not count', async () => {
  const root = await fresh('taken-back');
  const rival = join(root, manifestPath('rival'));
  const head = { version: 1 as const, run: 'rival', job: 'dray lake compact', published: new Date().toISOString() };
  const catalog = new LakeCatalog(root, '/');
  const signal = new AbortController().signal;
  const { files } = await catalog.read(signal);
  await writeFile(rival, formatManifest({ ...head, files: [], removes: files.map(({ path }) => path) }));
  const { store } = catalog;
  vi.spyOn(store, 'read').mockImplementationOnce((...given) => {
    rmSync(rival);
    return store.read(...given);
  });
  expect((await catalog.read(signal)).files).toEqual(files);
});

test('queries that are under way when files are compacted end with the rows that they began with', async () => {
  const root = await fresh('under-way');
  const child = project.spawn(['lake', 'compact', '--yes', '--grace', '600', '--lake', root]);
  await new Promise<void>((resolve) =>
    child.stderr.on('data', (told: Buffer) => {
      if (/deleted in 600 s/.test(String(told))) resolve();
    }),
  );
  expect((await content(root))[0]).toMatchObject({ n: 350 });
  expect(await readdir(join(root, 'ticket/year=2026/month=01/day=30'))).toHaveLength(4);
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect((await dray(root, 'verify')).answer.orphans).toMatchObject(Array(3).fill({ removed: true }));
  await dray(root, 'compact', '--yes', '--grace', '0');
  expect((await dray(root, 'verify')).answer.orphans).toEqual([]);
});

test('the same in S3', async () => {
  Object.assign(process.env, server.env);
  const store = s3Store({});
  await upload(store, made, BUCKET, 'kept');
  const root = `s3://${BUCKET}/kept`;
  const before = await content(root);
  expect((await dray(root, 'compact', '--yes', '--grace', '0')).answer).toMatchObject({ files: 3, files_made: 1 });
  expect(await content(root)).toEqual(before);
  const expired = await dray(root, 'expire', '--older-than', '2024-03-01', '--yes', '--grace', '0');
  expect(expired.answer).toMatchObject({ files: 1 });
  expect((await dray(root, 'verify')).answer).toMatchObject({ ok: true, files: 2, orphans: [] });
});

test.each<[string, string[], RegExp]>([
  ['an action that is unknown', ['verfy'], /Did you mean "verify"/],
  ['a dataset that is unknown', ['ls', 'tickt'], /Did you mean "ticket"/],
  ['expire without an age', ['expire'], /--older-than/],
  ['an age that is none', ['expire', '--older-than', 'soon'], /90d/],
])('%s is told in one paragraph, with exit code 2', async (_, args, message) => {
  const { code, stderr } = await project.dray(['lake', ...args, '--lake', made]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});
