import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;
let worker: ChildProcess | undefined;

const PARTITIONS = 40;
const ROWS = PARTITIONS * 2048;

beforeAll(async () => {
  project = await TestProject.create();
  await writeParquet(
    duck,
    `select i as id, i // 2048 as part from range(${ROWS}) t(i)`,
    `${project.root}/log.parquet`,
    2048,
  );
  await project.write('sql/targets/log.sql', 'create table log (id bigint, part bigint check (part <> -1))');
});
beforeEach(async () => {
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
  await writeJob('log', 'select * from source');
});
afterEach(async () => {
  if (worker?.exitCode === null) {
    worker.kill('SIGTERM');
    await once(worker, 'exit');
  }
  worker = undefined;
  await database.drop();
});
afterAll(async () => {
  await duck.close();
  await project.remove();
});

const writeJob = (name: string, query: string, target = `table({ ddl: 'log.sql' })`) =>
  project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Log', source: () => files('log.parquet', { partitionRows: 2048 }),
       transform: sql\`${query}\`, targets: { log: ${target} },
     });`,
  );

function startWorker(env: NodeJS.ProcessEnv = {}): void {
  worker = project.spawn(['work'], env);
  worker.stdout?.resume();
  worker.stderr?.resume();
}

async function json(...args: string[]) {
  const { stdout, stderr, code } = await project.dray([...args, '--json']);
  expect({ stderr, code: code === 1 ? 0 : code }).toEqual({ stderr: '', code: 0 });
  return JSON.parse(stdout);
}

const one = async (query: string) => (await database.pool.query(query)).rows[0];
const until = (query: string) =>
  vi.waitUntil(async () => (await one(`select ${query} as yes`)).yes, { timeout: 60_000, interval: 50 });
const untilState = (state: string, run = 1) => until(`(select state = '${state}' from drayage.runs where id = ${run})`);

test('a paused run gives back what is under way, and goes on where it was', async () => {
  await json('enqueue', 'log');
  // So slowly that every partition takes a while.
  await json('set', '1', 'maxRowsPerSecond=4096', 'concurrency=2');
  startWorker();
  await until('exists (select from drayage.partitions where state = $$running$$)');
  expect(await json('pause', '1')).toMatchObject({ state: 'paused' });
  await until('not exists (select from drayage.partitions where state = $$running$$)');
  const { rows_written: written } = await one('select rows_written from drayage.runs');
  expect(written).toBeLessThan(ROWS);
  await json('set', '1', 'maxRowsPerSecond=none');
  await json('resume', '1');
  await untilState('succeeded');
  expect(await one('select count(*), count(distinct id) as ids from log')).toEqual({ count: ROWS, ids: ROWS });
  expect(await one('select sum(failures)::int as failures from drayage.partitions')).toEqual({ failures: 0 });
  const { rows } = await database.pool.query('select action from drayage.events order by id');
  expect(rows.map(({ action }) => action)).toEqual(['enqueued', 'set', 'paused', 'set', 'resumed']);
});

test('a run is steered while loads of it hold rejects that are not committed', async () => {
  await json('enqueue', 'log');
  const loading = await database.pool.connect();
  await loading.query(
    `begin; insert into drayage.rejects (run_id, partition_id, reason, message, raw)
       select run_id, id, 'bad', 'bad', '{}' from drayage.partitions limit 1`,
  );
  try {
    expect(await json('pause', '1')).toMatchObject({ state: 'paused' });
    expect(await json('resume', '1')).toMatchObject({ state: 'running' });
    // Nor is the partition kept from whoever takes it over.
    startWorker();
    await until(`(select bool_and(state <> 'pending') from drayage.partitions)`);
  } finally {
    await loading.query('rollback');
    loading.release();
  }
  await untilState('succeeded');
});

test('a cancelled run leaves what it has committed, and nothing of it is under way any more', async () => {
  await json('enqueue', 'log');
  await json('set', '1', 'maxRowsPerSecond=4096');
  startWorker();
  await until('(select partitions_done > 0 and partitions_running > 0 from drayage.runs)');
  const cancelled = await json('cancel', '1');
  expect(cancelled).toMatchObject({ state: 'cancelled' });
  const { done } = await one('select partitions_done as done from drayage.runs');
  expect(done + cancelled.partitions).toBe(PARTITIONS);
  // The worker is free for another run, which shows that it let go of the first.
  const { run } = await json('enqueue', 'log', '--force');
  await untilState('succeeded', run);
  expect(await one('select count(*) from log')).toEqual({ count: done * 2048 + ROWS });
  expect(await one(`select count(*)::int as jobs from pgboss.job where state < 'completed'`)).toEqual({ jobs: 0 });
  expect((await project.dray(['resume', '1'])).code).toBe(2);
});

test('a run whose first partitions mostly fail pauses itself; what failed can be tried again after the cause is mended', async () => {
  await writeJob('bad', `select id, case when part < 30 then error('broken row') else part end as part from source`);
  await json('enqueue', 'bad');
  startWorker();
  await untilState('paused');
  expect((await json('status', '1')).reason).toMatch(/^\d+ of the first \d+ partitions failed$/);
  const noted = `select actor, action from drayage.events where action = 'paused'`;
  expect(await one(noted)).toEqual({ actor: 'drayage', action: 'paused' });
  await writeJob('bad', 'select * from source');
  const retried = await json('retry', '1');
  expect(retried.partitions).toBeGreaterThan(25);
  await json('resume', '1');
  await untilState('succeeded');
  expect(await one('select count(*), count(distinct id) as ids from log')).toEqual({ count: ROWS, ids: ROWS });
  const history = await database.pool.query(
    `select partition, count(*)::int as attempts, min(outcome) as first, max(error_code) as code from drayage.attempt_history
     group by partition having count(*) > 1`,
  );
  expect(history.rows.length).toBe(retried.partitions);
  expect(new Set(history.rows.map(({ code }) => code))).toEqual(new Set(['TRANSFORM_FAILED']));
});

test('a run that failed is taken up again for one partition, and then for the others', async () => {
  await writeJob(
    'bad',
    `select id, case when part in (3, 5) then error('broken row') else part end as part from source`,
  );
  startWorker();
  await json('enqueue', 'bad');
  await untilState('failed');
  await writeJob('bad', 'select * from source');
  const [first, second] = (
    await database.pool.query(`select key from drayage.partitions where state = 'failed' order by id`)
  ).rows;
  expect((await project.dray(['retry', '1', '--partition', 'nowhere'])).code).toBe(2);
  expect(await json('retry', '1', '--partition', first.key)).toMatchObject({ partitions: 1, state: 'running' });
  await untilState('failed');
  expect(await one(`select key from drayage.partitions where state = 'failed'`)).toEqual(second);
  await json('retry', '1');
  await untilState('succeeded');
  expect(await one('select count(*), count(distinct id) as ids from log')).toEqual({ count: ROWS, ids: ROWS });
});

test.each([
  'merge',
  'replace',
])('a %s that failed half-way comes to its end when the rest is tried again', async (mode) => {
  await database.pool.query(
    `create table log (id bigint primary key, part bigint); insert into log values (-7, 0), (1, -1)`,
  );
  const target = `table({ key: ['id'], mode: '${mode}'${mode === 'merge' ? ', complete: true' : ''} })`;
  await writeJob(
    'bad',
    `select id, case when part = 3 then error('broken row') else part end as part from source`,
    target,
  );
  startWorker();
  await json('enqueue', 'bad');
  await untilState('failed');
  const touched = await one('select count(*) filter (where id = -7)::int as old from log');
  expect(touched).toEqual({ old: 1 });
  await writeJob('bad', 'select * from source', target);
  await json('retry', '1');
  await untilState('succeeded');
  expect(
    await one('select count(*), count(*) filter (where id < 0) as old, count(distinct id) as ids from log'),
  ).toEqual({
    count: ROWS,
    old: 0,
    ids: ROWS,
  });
  expect(await one(`select count(*)::int as left from pg_class where relname ~ '^seen_|__run_'`)).toEqual({ left: 0 });
});

test.each(['merge', 'replace'])('what was made for a %s goes away when it is cancelled', async (mode) => {
  await database.pool.query(`create table log (id bigint primary key, part bigint); insert into log values (-7, 0)`);
  await writeJob(
    'log',
    'select * from source',
    `table({ key: ['id'], mode: '${mode}'${mode === 'merge' ? ', complete: true' : ''} })`,
  );
  await json('enqueue', 'log');
  expect(
    await one(`select count(*)::int as made from pg_class where relkind = 'r' and relname ~ '^seen_|__run_'`),
  ).toEqual({
    made: 1,
  });
  await json('cancel', '1');
  startWorker();
  await until(`not exists (select from pg_class where relname ~ '^seen_|__run_')`);
  expect(await one('select count(*) from log')).toEqual({ count: 1 });
});

test('runs of a higher priority go first', async () => {
  await json('enqueue', 'log');
  const { run } = await json('enqueue', 'log', '--force', '--priority', '5');
  // Two at a time may begin with the last of one run and the first of the other in either order.
  startWorker({ DRAYAGE_CONCURRENCY: '1' });
  await untilState('succeeded', 1);
  await untilState('succeeded', run);
  expect(
    await one(
      `select (select max(started_at) from drayage.partitions where run_id = ${run}) <=
         (select min(started_at) from drayage.partitions where run_id = 1) as first`,
    ),
  ).toEqual({ first: true });
});

test('no more transactions fill a table than may, whatever runs they belong to', async () => {
  await json('enqueue', 'log');
  await json('set', 'log', 'concurrency=1');
  const { run } = await json('enqueue', 'log', '--force');
  const packs: number[] = [];
  startWorker();
  await vi.waitUntil(
    async () => {
      const now = await one(
        `select (select count(distinct pack)::int from drayage.partitions where state = 'running') as packs,
           (select bool_and(state = 'succeeded') from drayage.runs) as ended`,
      );
      packs.push(now.packs);
      return now.ended;
    },
    { timeout: 60_000, interval: 5 },
  );
  expect(Math.max(...packs)).toBe(1);
  expect(await one(`select rows_written from drayage.runs where id = ${run}`)).toEqual({ rows_written: ROWS });
});
