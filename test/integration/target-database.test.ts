import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../src/runs/checkup.ts';
import { verifyRun } from '../../src/runs/verify/verify.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let control: TestDatabase;
let target: TestDatabase;
let project: TestProject;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  [control, target] = [await createDatabase(), await createDatabase()];
  project = await TestProject.create(control.url);
  project.env.DRAYAGE_TARGET_URL = target.url;
  drayage = await openDrayage(project.root, control.url, { DRAYAGE_TARGET_URL: target.url });
});
afterAll(async () => {
  await drayage.close();
  await duck.close();
  await project.remove();
  await Promise.all([control.drop(), target.drop()]);
});

const fromTarget = async (query: string) => (await target.pool.query(query)).rows;
const fromControl = async (query: string, values: unknown[] = []) => (await control.pool.query(query, values)).rows;
const isVerified = async (run: number) => {
  const signal = new AbortController().signal;
  const { ok, method, sample } = await verifyRun(drayage.services, run, { sample: 10, signal });
  return { ok, method, different: sample.different };
};

/** @param options of the table */
async function makeJob(name: string, options: string): Promise<void> {
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', source: () => files('${name}/*.parquet', { partitionRows: 1000 }),
       targets: { ${name}: table(${options}) },
     });`,
  );
}

const write = (name: string, query: string) =>
  project
    .write(`${name}/.keep`, '')
    .then(() => writeParquet(duck, query, `${project.root}/${name}/part.parquet`, 2048));

test('tables are in the target, what is known of runs is in the control database, rejects included', async () => {
  await target.pool.query('create table people (id bigint not null, age smallint, check (age <> 13))');
  await makeJob('people', `{}`);
  const ages = `case when i % 1000 = 5 then 40000 when i % 1000 = 6 then 13 else i % 90 + 14 end::int`;
  await write('people', `select i::bigint as id, ${ages} as age from range(5000) t(i)`);
  const first = await drayage.run('people', {}, false);
  expect(first).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: 5000, written: 4990, rejected: 10 },
  });
  expect(await fromTarget('select count(*)::int as rows, count(distinct id)::int as ids from people')).toEqual([
    { rows: 4990, ids: 4990 },
  ]);
  expect(await fromControl(`select to_regclass('people') as there, count(*)::int as loads from drayage.loads`)).toEqual(
    [{ there: null, loads: 0 }],
  );
  expect(
    await fromControl(
      'select reason, count(*)::int as rows from drayage.rejects where run_id = $1 group by 1 order by 1',
      [first.run],
    ),
  ).toEqual([
    { reason: 'check', rows: 5 },
    { reason: 'out_of_range', rows: 5 },
  ]);
  expect(await fromTarget('select * from drayage.outbox_rejects')).toEqual([]);
  expect(await isVerified(first.run)).toEqual({ ok: true, method: 'whole', different: 0 });

  const second = await drayage.run('people', {}, false);
  expect(second).toMatchObject({ state: 'succeeded', partitions: { skipped: 3, done: 0 }, rows: { read: 0 } });
  expect(await isVerified(second.run)).toEqual({ ok: true, method: 'whole', different: 0 });
  const forced = await drayage.run('people', {}, true);
  expect(forced).toMatchObject({ rows: { written: 4990 } });
  expect(await fromTarget('select count(*)::int as rows from people')).toEqual([{ rows: 2 * 4990 }]);

  const replayed = await project.dray(['rejects', String(first.run), '--replay', '--json']);
  expect(JSON.parse(replayed.stdout)).toMatchObject({ error: { code: 'REPLAY_REFUSED' } });
});

test.each(['upsert', 'replace', 'merge'])('%s: the table is what the source says, and is verified', async (mode) => {
  await target.pool.query(`create table ${mode}d (id int primary key, note text not null);
    insert into ${mode}d select i, 'old' from generate_series(0, 4000, 2) i union all select 99999, 'old'`);
  await makeJob(`${mode}d`, `{ mode: '${mode}', key: ['id']${mode === 'merge' ? ', complete: true' : ''} }`);
  await write(`${mode}d`, `select i::int as id, 'new ' || i as note from range(5000) t(i)`);
  const report = await drayage.run(`${mode}d`, {}, false);
  expect(report).toMatchObject({ state: 'succeeded', rows: { read: 5000, written: 5000 } });
  const [found] = await fromTarget(
    `select count(*)::int as rows, count(*) filter (where note = 'new ' || id)::int as new from ${mode}d`,
  );
  expect(found).toEqual({ rows: mode === 'upsert' ? 5001 : 5000, new: 5000 });
  expect(await isVerified(report.run)).toMatchObject({ ok: true, different: 0 });
  const [run] = await fromControl('select rows_deleted::int as deleted from drayage.runs where id = $1', [report.run]);
  expect(run).toEqual({ deleted: mode === 'merge' ? 1 : 0 });
  const left = `select relname from pg_class where relname ~ '^seen_[0-9]|__run_[0-9]+$'`;
  expect([...(await fromTarget(left)), ...(await fromControl(left))]).toEqual([]);
});

test('a worker that is set up for another target leaves the tables of its own alone', async () => {
  for (const { pool } of [control, target]) await pool.query('create table strays (id int)');
  await makeJob('strays', `{}`);
  await write('strays', 'select 1::int as id');
  await drayage.close();
  await project.dray(['enqueue', 'strays']);
  drayage = await openDrayage(project.root, control.url);
  await expect
    .poll(async () => (await fromControl(`select state from drayage.runs where job = 'strays'`))[0].state, {
      timeout: 30_000,
    })
    .toBe('failed');
  const [partition] = await fromControl(
    `select p.error_code, p.error from drayage.partitions p join drayage.runs r on r.id = p.run_id where r.job = 'strays'`,
  );
  expect(partition).toMatchObject({
    error_code: 'CONFIG_INVALID',
    error: expect.stringContaining('DRAYAGE_TARGET_URL'),
  });
  for (const { pool } of [control, target]) expect((await pool.query('select from strays')).rowCount).toBe(0);
});

test('two names of the same database are one database', async () => {
  const alias = new URL(control.url);
  alias.searchParams.set('application_name', 'other');
  const finished = await project.dray(['db', 'up', '--json'], { DRAYAGE_TARGET_URL: alias.href });
  expect(finished.code).toBe(0);
  expect(await fromControl(`select to_regclass('drayage.outbox_rejects') as there`)).toEqual([{ there: null }]);
});

test('both databases are checked, and an error names the one that it is about', async () => {
  const { stdout } = await project.dray(['doctor', '--json']);
  const findings: Finding[] = JSON.parse(stdout);
  const checks = findings.map(({ check }) => check);
  expect(checks).toEqual(expect.arrayContaining(['Postgres', 'target: Postgres', 'target: permissions']));
  const wrong = new URL(target.url);
  [wrong.password, wrong.pathname] = ['a-secret', '/nowhere'];
  const failed = await project.dray(['status', '--json'], { DRAYAGE_TARGET_URL: wrong.href });
  expect(failed.code).toBe(3);
  expect(JSON.parse(failed.stdout)).toMatchObject({
    error: { code: 'DATABASE_UNREACHABLE', hint: expect.stringContaining('DRAYAGE_TARGET_URL') },
  });
  expect(failed.stdout + failed.stderr).not.toContain('a-secret');
  const mistaken = await project.dray(['db', 'up', '--json'], { DATABASE_URL: target.url, DRAYAGE_TARGET_URL: '' });
  expect(JSON.parse(mistaken.stdout)).toMatchObject({
    error: { code: 'DATABASE_REFUSED', message: expect.stringContaining('target') },
  });
});
