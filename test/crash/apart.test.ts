import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

/** A worker that dies, or freezes, when the target has the rows and the control database does not know of it yet. */

const ROWS = 40_000;
const BAD = 'i % 997 = 5';

const duck = createDuck();
let project: TestProject;
let control: TestDatabase;
let target: TestDatabase;
let workers: ChildProcess[] = [];

beforeAll(async () => {
  project = await TestProject.create();
  project.env.DRAYAGE_CONCURRENCY = '1';
  const query = `select i::bigint as id, case when ${BAD} then null else 'name ' || i end as name from range(${ROWS}) t(i)`;
  await writeParquet(duck, query, `${project.root}/orders.parquet`, 10_240);
  await project.write(
    'jobs/orders.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'orders', description: 'Orders', retries: 5,
       source: () => files('orders.parquet', { partitionRows: 10_000 }), targets: { orders: table({}) },
     });`,
  );
});
beforeEach(async () => {
  [control, target] = [await createDatabase(), await createDatabase()];
  project.env.DATABASE_URL = control.url;
  project.env.DRAYAGE_TARGET_URL = target.url;
  // No key: a partition that is loaded twice would show.
  await target.pool.query('create table orders (id bigint, name text not null)');
  expect((await project.dray(['enqueue', 'orders'])).code).toBe(0);
  // Shorter than the queue allows: it spares most of the waiting.
  await control.pool.query('update pgboss.job set heartbeat_seconds = 6');
});
afterEach(async () => {
  for (const worker of workers) if (worker.exitCode === null) worker.kill('SIGKILL');
  workers = [];
  await Promise.all([control.drop(), target.drop()]);
});
afterAll(async () => {
  await duck.close();
  await project.remove();
});

function startWorker(): ChildProcess {
  const worker = project.spawn(['work']);
  worker.stdout?.resume();
  worker.stderr?.resume();
  workers.push(worker);
  return worker;
}

const until = (ask: () => Promise<boolean>) => vi.waitUntil(ask, { timeout: 90_000, interval: 20 });

/** Whether a load waits there for a lock. */
async function waits({ pool }: TestDatabase): Promise<boolean> {
  const { rows } = await pool.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
     and application_name ~ '^drayage '`,
  );
  return rows.length > 0;
}

async function holding(database: TestDatabase, statement: string): Promise<pg.PoolClient> {
  const client = await database.pool.connect();
  await client.query('begin');
  await client.query(statement);
  return client;
}

async function letGo(client: pg.PoolClient): Promise<void> {
  await client.query('rollback');
  client.release();
}

/** Starts a worker, and stops it with the signal when it has committed in the target alone. */
async function stopBetween(signal: 'SIGKILL' | 'SIGSTOP'): Promise<ChildProcess> {
  const before = await loads();
  const table = await holding(target, 'lock table orders in exclusive mode');
  const worker = startWorker();
  await until(() => waits(target));
  const run = await holding(control, 'select from drayage.runs for no key update');
  await letGo(table);
  await until(async () => (await loads()) > before && (await waits(control)));
  worker.kill(signal);
  if (signal === 'SIGKILL') await once(worker, 'exit');
  const { rows } = await control.pool.query(
    `select (select count(*) from drayage.partitions where state = 'done') < (select count(*) from drayage.partitions) as open`,
  );
  expect(rows).toEqual([{ open: true }]);
  await letGo(run);
  return worker;
}

async function loads(): Promise<number> {
  const { rows } = await target.pool.query('select count(*)::int as n from drayage.loads');
  return rows[0].n;
}

async function finish(): Promise<void> {
  const worker = startWorker();
  await until(
    async () => (await control.pool.query('select finished_at from drayage.runs')).rows[0].finished_at !== null,
  );
  worker.kill('SIGTERM');
  await once(worker, 'exit');
}

/** Every row once, every reject once, and both databases say the same. */
async function expectExactlyOnce(): Promise<void> {
  const { rows: runs } = await control.pool.query(
    'select state, rows_read::int, rows_written::int, rows_rejected::int, partitions_done, checksum from drayage.runs',
  );
  const { rows: found } = await target.pool.query(
    'select count(*)::int as rows, count(distinct id)::int as ids, count(*) filter (where i % 997 = 5)::int as bad from orders, lateral (select id as i)',
  );
  const bad = Math.floor((ROWS - 6) / 997) + 1;
  expect(found).toEqual([{ rows: ROWS - bad, ids: ROWS - bad, bad: 0 }]);
  const client = await target.pool.connect();
  const { checksum } = await checksumOfQuery(client, 'select id, name from orders');
  client.release();
  expect(runs).toEqual([
    {
      ...{ state: 'completed_with_rejects', partitions_done: 4, checksum },
      ...{ rows_read: ROWS, rows_written: ROWS - bad, rows_rejected: bad },
    },
  ]);
  const { rows: rejects } = await control.pool.query(
    'select count(*)::int as rows, count(distinct row_number)::int as numbers from drayage.rejects',
  );
  expect(rejects).toEqual([{ rows: bad, numbers: bad }]);
  expect((await target.pool.query('select from drayage.outbox_rejects')).rowCount).toBe(0);
}

test('workers that die between the two commits, one after the other: the next one repairs', async () => {
  for (let death = 0; death < 3; death++) await stopBetween('SIGKILL');
  await finish();
  await expectExactlyOnce();
  const { rows } = await control.pool.query('select max(attempt) as most from drayage.partitions');
  expect(rows[0].most).toBeGreaterThan(1);
}, 240_000);

test('a worker that is frozen between the two commits is too late when it wakes', async () => {
  const frozen = await stopBetween('SIGSTOP');
  await finish();
  await expectExactlyOnce();
  frozen.kill('SIGCONT');
  frozen.kill('SIGTERM');
  await once(frozen, 'exit');
  await expectExactlyOnce();
}, 180_000);
