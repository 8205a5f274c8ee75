import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digest } from '../../src/base/ids.ts';
import { rows as query } from '../../src/duckdb/scan.ts';
import { madeOf } from '../../src/model/source.ts';
import { files } from '../../src/sources/files.ts';
import { s3Store } from '../../src/store/s3.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';
import { openContext, openRelation, plansOf, readPlan } from '../helpers/read-source.ts';
import { S3_ENV, type S3Server, startS3 } from '../helpers/s3.ts';

const ROWS = 200_000;
const GROUP_ROWS = 20_480;
const SELECT = `select i::bigint as id, 'topic ' || i % 40 as topic, md5(i::varchar) as hash, md5('b' || i) as other,
  {'x': i, 'note': md5('n' || i)} as pair, [i, i + 1] as list from range(${ROWS}) t(i)`;

const duck = createDuck();
let server: S3Server;
let project: TestProject;
let database: TestDatabase;
let opened: Awaited<ReturnType<typeof openContext>>;

beforeAll(async () => {
  Object.assign(process.env, S3_ENV);
  server = await startS3('lake');
  database = await createDatabase();
  project = await TestProject.create(database.url);
  opened = await openContext(project.root);
  await writeParquet(duck, SELECT, join(project.root, 'all.parquet'), GROUP_ROWS);
  const store = s3Store({ endpoint: server.endpoint });
  const body = createReadStream(join(project.root, 'all.parquet'));
  await store.upload({ bucket: 'lake', key: 'in/all.parquet' }, body);
});
afterAll(async () => {
  await opened.close();
  await duck.close();
  await project.remove();
  await database.drop();
  await server.stop();
});

/** Bytes of the column chunks of some columns in the row groups of some rows, and of the footer. */
async function neededBytes(columns: string[], first: number, last: number): Promise<number> {
  const file = join(project.root, 'all.parquet');
  const [found] = await duck.use((connection) =>
    query(
      connection,
      `select coalesce(sum(total_compressed_size), 0)::double as bytes from parquet_metadata('${file}')
       where split_part(path_in_schema, ', ', 1) in (${columns.map((name) => `'${name}'`).join(', ')})
         and row_group_id * ${GROUP_ROWS} < ${last} and (row_group_id + 1) * ${GROUP_ROWS} >= ${first}`,
    ),
  );
  const bytes = await readFile(file);
  return Number(found!.bytes) + bytes.readUInt32LE(bytes.length - 8) + 8;
}

test.each([
  ['select id, topic', ['id', 'topic'], ''],
  ['select "drayage:row"', ['none'], ''],
  ['select id', ['id', 'topic'], ` where topic = 'topic 7'`],
  ['select pair.x as x, len(list) as n', ['pair', 'list'], ''],
  ['select *', ['id', 'topic', 'hash', 'other', 'pair', 'list'], ''],
])('%s of a partition fetches its column chunks and the footer, and gives the same rows', async (select, columns, where) => {
  const source = files('s3://lake/in/all.parquet', { partitionRows: 45_000, s3: { endpoint: server.endpoint } });
  const plans = await plansOf(source, opened.context);
  expect(plans.length).toBeGreaterThan(3);
  const plan = plans[1]!;
  const { first, last } = plan.spec as { first: number; last: number };
  server.traffic.bytes = 0;
  const remote = {
    ...source,
    open: async () => {
      const partition = await openRelation(source, plan, opened.context);
      const { rows: _, ...some } = madeOf(partition, `select * from (${partition.relation})${where}`);
      return some;
    },
  };
  const { rows } = await readPlan(remote, plan, opened.context, select);
  expect(server.traffic.bytes).toBeLessThanOrEqual(1.02 * (await neededBytes(columns, first, last)));

  const local = await duck.use((connection) =>
    query(
      connection,
      `${select} from (select * exclude (file_row_number), file_row_number + 1 as "drayage:row" from read_parquet('${project.root}/all.parquet', file_row_number = true)
       where file_row_number between ${first - 1} and ${last - 1})${where} order by "drayage:row"`,
    ),
  );
  expect(rows).toHaveLength(local.length);
  expect(digest(JSON.stringify(rows, plain))).toBe(digest(JSON.stringify(local, plain)));
  expect(await opened.spooled()).toEqual([]);
});

const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

test('a run loads a prefix of objects, two tables from other columns of the same ones', async () => {
  await project.write(
    'jobs/topics.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'topics', description: 'Topics', source: () => files('s3://lake/in', { partitionRows: 60000 }),
       transform: { ids: sql\`select id, topic from source\`, hashes: sql\`select id, hash from source where id % 2 = 0\` },
       targets: { ids: table({ createTable: 'infer' }), hashes: table({ createTable: 'infer' }) },
     });`,
  );
  const finished = await project.dray(['run', 'topics', '--json'], server.env);
  expect(JSON.parse(finished.stdout)).toMatchObject({ state: 'succeeded', rows: { written: ROWS * 1.5, rejected: 0 } });
  const { rows } = await database.pool.query(
    `select count(*) as n, count(distinct topic) as topics, (select count(*) from hashes where hash = md5(id::text)) as good from ids`,
  );
  expect(rows).toEqual([{ n: ROWS, topics: 40, good: ROWS / 2 }]);
  const again = await project.dray(['run', 'topics', '--json'], server.env);
  expect(JSON.parse(again.stdout)).toMatchObject({ state: 'succeeded', rows: { read: 0 }, partitions: { skipped: 4 } });
});

test('an object that is not what its name says, or ends too early, is told so', async () => {
  const store = s3Store({ endpoint: server.endpoint });
  const good = await readFile(join(project.root, 'all.parquet'));
  const put = (key: string, body: Uint8Array | string) => store.put({ bucket: 'lake', key: `odd/${key}` }, body);
  await put('page.parquet', '<!DOCTYPE html><html><body>Please log in</body></html>');
  await put('cut.parquet', good.subarray(0, 5_000_000));
  await put('noise.parquet', randomBytes(100_000));
  await put('empty.parquet', '');
  const source = files('s3://lake/odd/', { s3: { endpoint: server.endpoint } });
  const problems = (await plansOf(source, opened.context)).map(({ problem }) => problem!.message);
  expect(problems).toEqual([
    's3://lake/odd/cut.parquet is a truncated Parquet file: it ends without a footer',
    's3://lake/odd/empty.parquet is empty',
    's3://lake/odd/noise.parquet is not a Parquet file',
    's3://lake/odd/page.parquet is an HTML page',
  ]);
});

test('a glob takes what it matches, and no more', async () => {
  const found = async (path: string) =>
    (await plansOf(files(path, { s3: { endpoint: server.endpoint } }), opened.context)).map(({ file }) => file);
  expect(await found('s3://lake/*/{all,page}.parquet')).toEqual([
    's3://lake/in/all.parquet',
    's3://lake/odd/page.parquet',
  ]);
  await expect(found('s3://lake/*.parquet')).rejects.toMatchObject({
    code: 'SOURCE_MISSING',
    message: 'No file matches s3://lake/*.parquet',
  });
  await expect(found('s3://nowhere/x/')).rejects.toMatchObject({ message: 'There is no such bucket' });
});
