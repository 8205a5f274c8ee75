import { execFile } from 'node:child_process';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { s3Store } from '../../src/store/s3.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const CONTENT = `select md5(string_agg(t::text, e'\\n' order by id)) as content, count(*) as n from
  (select id, question, answer, topic, difficulty, case_citation, reasoning, jurisdiction, batch_id, sample_type from legal_samples) t`;

let project: TestProject;
let database: TestDatabase;
let server: S3Server;

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3('datasets');
  database = await createDatabase();
  project = await TestProject.create(database.url);
  Object.assign(project.env, server.env);
  await cp(join(REPOSITORY, 'jobs/legal-samples.ts'), join(project.root, 'jobs/legal-samples.ts'));
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  await promisify(execFile)(process.execPath, [join(REPOSITORY, 'jobs/samples/legal.ts')], { cwd: project.root });
  expect((await project.dray(['run', 'legal-samples'])).code).toBe(0);
  // What formats stumble over, beside what the samples hold anyway.
  await database.pool.query(
    `insert into legal_samples (id, question, answer, topic, difficulty, case_citation, reasoning, batch_id) values
       ('odd "1", and more', e'a "quoted"\\r\\nline', '', 'NULL', '\\N', '007', e'tab\\tand \\\\ backslash', null), ('odd-2', '.', '"', ',', '1.50', 'é日本', e'\\n', '')`,
  );
});
afterAll(async () => {
  await project.remove();
  await database.drop();
  await server.stop();
});

const content = async () => (await database.pool.query(CONTENT)).rows[0];
const exported = async (...args: string[]) =>
  JSON.parse((await project.dray(['export', 'legal_samples', ...args, '--json'])).stdout);

describe.each([
  ['parquet', 'out-parquet'],
  ['jsonl', 'out-jsonl'],
  ['parquet', 's3://datasets/legal'],
])('as %s to %s', (format, to) => {
  test('shards and a card are written, and load as the same rows, byte for byte', async () => {
    const before = await content();
    expect(before.n).toBe(7542);
    const names = [0, 1, 2].map((shard) => `data/train-0000${shard}-of-00003.${format}`);
    const told = await exported('--to', to, '--format', format, '--shard-rows', '3000');
    expect(told).toMatchObject({ rows: 7542, files: [...names, 'README.md'] });
    if (!to.startsWith('s3:')) {
      expect((await readdir(join(project.root, to, 'data'))).map((name) => `data/${name}`).sort()).toEqual(names);
      const [, card] = (await readFile(join(project.root, to, 'README.md'), 'utf8')).split('---\n');
      expect(parse(card!)).toMatchObject({
        size_categories: ['1K<n<10K'],
        configs: [{ data_files: [{ split: 'train', path: `data/train-*.${format}` }] }],
        dataset_info: { splits: [{ num_examples: 7542, num_bytes: told.bytes }] },
      });
      expect(parse(card!).dataset_info.features).toContainEqual({ name: 'created_at', dtype: 'timestamp[us, tz=UTC]' });
    } else {
      const objects = await Array.fromAsync(
        s3Store({ endpoint: server.endpoint }).list({ bucket: 'datasets', key: 'legal/' }),
      );
      expect(objects.map(({ key }) => key).sort()).toEqual([
        'legal/README.md',
        ...names.map((name) => `legal/${name}`),
      ]);
    }
    await database.pool.query('truncate legal_samples');
    const back = await project.dray(['run', 'legal-samples', '--param', `path=${to}/data`, '--force', '--json']);
    expect(JSON.parse(back.stdout)).toMatchObject({
      state: 'succeeded',
      rows: { read: 7542, written: 7542, rejected: 0 },
    });
    expect(await content()).toEqual(before);
  });
});

test('shards that are there are left alone, unless they are to be replaced', async () => {
  await exported('--to', 'twice');
  const again = await project.dray(['export', 'legal_samples', '--to', 'twice']);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/shards are there already.*--overwrite/) });
  await exported('--to', 'twice', '--shard-rows', '5000', '--overwrite');
  expect(await readdir(join(project.root, 'twice/data'))).toHaveLength(2);
});

test.each([
  [['nowhere', '--to', 'x'], /no table or view nowhere/],
  [['legal_samples'], /The place is missing/],
  [['legal_samples', '--to', 'x', '--format', 'csv'], /--format is "csv"/],
  [['legal_samples', '--to', 'x', '--shard-rows', '0'], /--shard-rows is "0"/],
])('export %j is refused in one line', async (args, said) => {
  expect(await project.dray(['export', ...args])).toMatchObject({ code: 2, stderr: expect.stringMatching(said) });
});
