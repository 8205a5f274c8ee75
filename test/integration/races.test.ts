import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readConfig } from '../../src/base/config.ts';
import { createEvents } from '../../src/base/events.ts';
import { claimPartitions, settleUnloaded } from '../../src/control/claims.ts';
import { type Boss, QUEUES } from '../../src/queue/boss.ts';
import { enqueue } from '../../src/runs/enqueue.ts';
import { loadJob } from '../../src/runs/load-jobs.ts';
import { prepareJob } from '../../src/runs/prepare.ts';
import { ensureSchema, openQueue, openServices, type Services } from '../../src/runs/services.ts';
import { cancelRun } from '../../src/runs/steer.ts';
import { work } from '../../src/runs/worker/work.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;
let services: Services;
let boss: Boss;
let run: number;
let stop: AbortController;
let working: Promise<void> | undefined;

const JOB = `import { defineJob, files, table } from 'drayage';
  export default defineJob({
    name: 'log', description: 'Log', source: () => files('log.parquet', { partitionRows: 2048 }), targets: { log: table({ ddl: 'log.sql' }) },
  });`;

beforeAll(async () => {
  project = await TestProject.create();
  await project.write('jobs/log.ts', JOB);
  await project.write('sql/targets/log.sql', 'create table log (id bigint)');
  await writeParquet(duck, 'select i as id from range(6144) t(i)', `${project.root}/log.parquet`, 2048);
});
beforeEach(async () => {
  database = await createDatabase();
  services = await openServices(readConfig({ DATABASE_URL: database.url }, project.root), {
    loads: 4,
    events: createEvents(),
  });
  await ensureSchema(services);
  boss = await openQueue(services, { supervise: true });
  stop = new AbortController();
  const prepared = prepareJob(await loadJob(project.root, 'jobs/log.ts'), {});
  ({ run } = await enqueue(services, boss, prepared, { force: false, signal: stop.signal }));
});
afterEach(async () => {
  stop.abort();
  await working;
  working = undefined;
  await services.closers.close();
  await database.drop();
});
afterAll(async () => {
  await duck.close();
  await project.remove();
});

const one = async (query: string) => (await database.pool.query(query)).rows[0];
const until = (query: string) =>
  vi.waitUntil(async () => (await one(`select ${query} as yes`)).yes, { timeout: 30_000, interval: 20 });
const waiting = (count: number) =>
  until(
    `(select count(*) = ${count} from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`,
  );
const states = async () =>
  (await database.pool.query('select state, count(*)::int from drayage.partitions group by 1 order by 1')).rows;

const ghost = { worker: '00000000-0000-0000-0000-000000000001', pack: 'ghost' };

/** Holds the row of the run until it is let go of. */
async function holdRun(): Promise<() => Promise<void>> {
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query('select from drayage.runs for update');
  return async () => {
    await client.query('commit');
    client.release();
  };
}

test('a claim that is made while the run is being cancelled is cancelled, too', async () => {
  const letGo = await holdRun();
  const cancelling = cancelRun(services, boss, run, 'somebody');
  await waiting(1);
  const claiming = claimPartitions(services.db, { run, partitions: [1, 2, 3], ...ghost });
  await waiting(2);
  await letGo();
  await Promise.all([cancelling, claiming]);
  expect(await states()).toEqual([{ state: 'cancelled', count: 3 }]);
});

test('who cancels a run and who settles a partition of it do not lock each other out', async () => {
  const claimed = (await claimPartitions(services.db, { run, partitions: [1], ...ghost }))[0]!;
  const letGo = await holdRun();
  const cancelling = cancelRun(services, boss, run, 'somebody');
  await waiting(1);
  const settling = settleUnloaded(services.db, claimed, { state: 'failed', code: 'INTERNAL', error: 'x' });
  await waiting(2);
  await letGo();
  await Promise.all([cancelling, settling]);
  expect(await one('select state from drayage.runs')).toEqual({ state: 'cancelled' });
});

test('a partition whose worker is gone does not fill up the limit of its run', async () => {
  await claimPartitions(services.db, { run, partitions: [2], ...ghost });
  await database.pool.query(
    `update drayage.runs set max_concurrency = 1; update drayage.partitions set started_at = now() - interval '1 minute'`,
  );
  working = work(services, boss, stop.signal);
  await until(`(select state = 'succeeded' from drayage.runs)`);
}, 60_000);

test('a run whose end takes every worker with it fails', async () => {
  await database.pool.query(
    `update drayage.runs set state = 'running'; update drayage.partitions set state = 'skipped'`,
  );
  await boss.insert(QUEUES.finalize, [{ data: { run }, retryLimit: 0 }]);
  await boss.fetch(QUEUES.finalize);
  await database.pool.query(`update drayage.runs set state = 'finalizing';
    update pgboss.job set heartbeat_on = now() - interval '1 hour' where name = '${QUEUES.finalize}'`);
  working = work(services, boss, stop.signal);
  await until(`(select state = 'failed' from drayage.runs)`);
}, 60_000);
