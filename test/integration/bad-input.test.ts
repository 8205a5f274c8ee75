import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { type Finished, TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;

beforeAll(async () => {
  project = await TestProject.create();
  const { root } = project;
  await writeParquet(duck, `select i as id, 'n' || i as name from range(5000) t(i)`, join(root, 'good.parquet'), 2048);
  const good = await readFile(join(root, 'good.parquet'));
  await project.write('page.parquet', '<!DOCTYPE html><html><body>Please log in</body></html>');
  await project.write('pointer.parquet', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
  await project.write('text.parquet', 'id,name\n1,one\n2,two\n');
  await project.write('empty.parquet', '');
  await project.write('cut.parquet', good.subarray(0, good.length - 100));
  await project.write('data.xlsx', 'x');
  await project.write('mixed/a.parquet', good);
  await project.write('mixed/b.parquet', good.subarray(0, 3000));
  await writeParquet(duck, `select i as id, 'n' || i as nmae from range(10) t(i)`, join(root, 'column.parquet'));
  await writeParquet(
    duck,
    `select i as id, interval 1 day as name from range(10) t(i)`,
    join(root, 'interval.parquet'),
  );
  await writeParquet(duck, `select 'x' || i as id, 'n' as name from range(10) t(i)`, join(root, 'type.parquet'));
  await writeParquet(duck, `select 'n' as name from range(10) t(i)`, join(root, 'missing-id.parquet'));
  const job = (name: string, target: string) =>
    project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Numbers', params: { path: { type: 'string' }, size: { type: 'number', default: 1 } },
         source: ({ path }) => files(path), targets: { ${target} },
       });`,
    );
  await job('numbers', `numbers: table({ ddl: 'numbers.sql' })`);
  await job('keyless', `keyless: table({ ddl: 'keyless.sql', mode: 'upsert', key: ['id'] })`);
  await job('nowhere', 'nowhere: table()');
  await job('no-ddl', `numbers: table({ ddl: 'gone.sql' })`);
  await project.write('sql/targets/numbers.sql', 'create table numbers (id bigint not null, name text)');
  await project.write('sql/targets/keyless.sql', 'create table keyless (id bigint not null, name text)');
  await project.write('jobs/broken.ts', 'export default {');
  await project.write(
    'jobs/unnamed.ts',
    `import { defineJob } from 'drayage'; export default defineJob({ nmae: 'unnamed' });`,
  );
});
beforeEach(async () => {
  await database?.drop();
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
});
afterAll(async () => {
  await duck.close();
  await database.drop();
  await project.remove();
});

/** One paragraph, without a stack trace, that names the thing and says what to do. */
function expectParagraph({ stderr }: Finished, ...parts: (string | RegExp)[]): void {
  const lines = stderr.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^dray: /);
  for (const part of parts) expect(lines[0]).toMatch(part);
}

async function expectNothingDone(): Promise<void> {
  const { rows } = await database.pool.query(
    `select to_regclass('numbers') as made, to_regclass('drayage.runs') is not null as migrated`,
  );
  if (rows[0].migrated) expect((await database.pool.query('select id from drayage.runs')).rows).toEqual([]);
  if (rows[0].made) expect((await database.pool.query('select id from numbers')).rows).toEqual([]);
}

const path = (file: string) => ['--param', `path=${file}`];

describe.each([
  ['a missing file', ['numbers', ...path('gone.parquet')], 'SOURCE_MISSING', [/gone\.parquet/, /Check the path/]],
  ['a glob without a match', ['numbers', ...path('none/*.parquet')], 'SOURCE_MISSING', [/none\/\*\.parquet/]],
  ['a file of an unknown format', ['numbers', ...path('data.xlsx')], 'SOURCE_INVALID', [/\.xlsx/, /\.parquet/]],
  ['a page of HTML', ['numbers', ...path('page.parquet')], 'SOURCE_INVALID', [/page\.parquet/, /HTML page/]],
  ['a pointer of Git LFS', ['numbers', ...path('pointer.parquet')], 'SOURCE_INVALID', [/Git LFS pointer/]],
  [
    'a file that is not Parquet',
    ['numbers', ...path('text.parquet')],
    'SOURCE_INVALID',
    [/text\.parquet is not a Parquet file/],
  ],
  ['an empty file', ['numbers', ...path('empty.parquet')], 'SOURCE_INVALID', [/empty/]],
  [
    'a truncated file',
    ['numbers', ...path('cut.parquet')],
    'SOURCE_INVALID',
    [/cut\.parquet is a truncated Parquet file/],
  ],
  [
    'a column that the target lacks',
    ['numbers', ...path('column.parquet')],
    'TARGET_INVALID',
    [/"nmae"/, /Did you mean "name"/, /column\.parquet/],
  ],
  [
    'a type without a mapping',
    ['numbers', ...path('interval.parquet')],
    'TYPE_UNMAPPED',
    [/"name"/, /interval/, /Cast it/],
  ],
  [
    'a pair of types that would lose',
    ['numbers', ...path('type.parquet')],
    'TYPE_UNMAPPED',
    [/"id"/, /utf8 cannot go into bigint/, /"id"::bigint/],
  ],
  [
    'a column that nothing fills',
    ['numbers', ...path('missing-id.parquet')],
    'TARGET_INVALID',
    [/"id" takes no nulls/],
  ],
  [
    'an upsert without a unique index',
    ['keyless', ...path('good.parquet')],
    'TARGET_INVALID',
    [/no unique index over \(id\)/, /primary key/],
  ],
  [
    'a table that is not there',
    ['nowhere', ...path('good.parquet')],
    'TARGET_INVALID',
    [/nowhere does not exist/, /DDL/],
  ],
  ['a DDL file that is not there', ['no-ddl', ...path('good.parquet')], 'JOB_INVALID', [/gone\.sql/]],
  ['an unknown parameter', ['numbers', '--param', 'paht=x'], 'PARAM_INVALID', [/"paht"/, /Did you mean "path"/]],
  ['a missing parameter', ['numbers'], 'PARAM_INVALID', [/"path" has no value/, /--param path=/]],
  [
    'a parameter of the wrong type',
    ['numbers', ...path('x'), '--param', 'size=big'],
    'PARAM_INVALID',
    [/"size" is "big"/],
  ],
  ['a parameter without a value', ['numbers', '--param', 'path'], 'PARAM_INVALID', [/key=value/]],
  ['an unknown job', ['numbrs'], 'JOB_NOT_FOUND', [/"numbrs"/, /Did you mean "numbers"/]],
  ['a job file with an error in it', ['broken'], 'JOB_INVALID', [/jobs\/broken\.ts/]],
  ['a definition with a misspelt field', ['unnamed'], 'JOB_INVALID', [/nmae/, /Did you mean "name"/]],
  ['an unknown flag', ['numbers', '--frce'], 'USAGE', [/--frce/]],
] as const)('%s', (_name, args, code, parts) => {
  test('is told in one paragraph, and nothing is done', async () => {
    const finished = await project.dray(['run', ...args]);
    expect(finished).toMatchObject({ code: 2, stdout: '' });
    expectParagraph(finished, ...parts);
    await expectNothingDone();
  });

  test('is told as one JSON document to a machine', async () => {
    const finished = await project.dray(['enqueue', ...args, '--json']);
    expect(finished.code).toBe(2);
    expect(JSON.parse(finished.stdout)).toMatchObject({ error: { code } });
    await expectNothingDone();
  });
});

test('an unreachable database is told with its address, without its password, as exit code 3', async () => {
  const url = 'postgresql://ops:hunter2@127.0.0.1:1/warehouse';
  for (const verb of [['run', 'numbers', ...path('good.parquet')], ['status'], ['work']]) {
    const finished = await project.dray(verb, { DATABASE_URL: url });
    expect(finished.code).toBe(3);
    expectParagraph(finished, /127\.0\.0\.1:1\/warehouse/, /DATABASE_URL/);
    expect(finished.stderr).not.toContain('hunter2');
  }
});

test('an unknown verb is told with the nearest one', async () => {
  const finished = await project.dray(['stauts']);
  expect(finished.code).toBe(2);
  expectParagraph(finished, /stauts/, /Did you mean "status"/);
});

test('a stack trace is shown when it is asked for', async () => {
  const finished = await project.dray(['run', 'numbers', ...path('gone.parquet'), '--verbose']);
  expect(finished.stderr).toMatch(/\n {4}at /);
});

test('a misspelt variable of the environment is refused', async () => {
  const finished = await project.dray(['jobs'], { DRAYAGE_CONCURENCY: '3' });
  expect(finished.code).toBe(2);
  expectParagraph(finished, /DRAYAGE_CONCURENCY/, /Did you mean "DRAYAGE_CONCURRENCY"/);
});

test('a bad file among good ones fails alone', async () => {
  const finished = await project.dray(['run', 'numbers', ...path('mixed'), '--json']);
  expect(finished.code).toBe(1);
  expect(JSON.parse(finished.stdout)).toMatchObject({
    state: 'failed',
    partitions: { total: 2, done: 1, failed: 1 },
    rows: { read: 5000, written: 5000 },
    errors: [{ partition: 'mixed/b.parquet', code: 'SOURCE_INVALID', message: expect.stringMatching(/truncated/) }],
  });
});
