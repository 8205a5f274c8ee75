import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

const ROWS = 2_000_000;
const COLUMNS = 'id, quantity, price, name';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;
let workers: ChildProcess[] = [];

beforeAll(async () => {
  project = await TestProject.create();
  const rows = `select i as id, (i % 977)::int as quantity, (i * 13 % 100000 / 100)::decimal(10,2) as price,
    'a name that is long enough ' || i as name from range(${ROWS}) t(i)`;
  await writeParquet(duck, rows, `${project.root}/orders.parquet`, 61_440);
  // No key: a partition that is loaded twice would show.
  await project.write(
    'sql/targets/orders.sql',
    'create table orders (id bigint, quantity int, price numeric(10,2), name text)',
  );
  await project.write(
    'jobs/orders.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'orders', description: 'Orders', source: () => files('orders.parquet', { partitionRows: 130_000 }),
       targets: { orders: table({ ddl: 'orders.sql' }) },
     });`,
  );
});
beforeEach(async () => {
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
});
afterEach(async () => {
  for (const worker of workers) if (worker.exitCode === null) worker.kill('SIGKILL');
  workers = [];
  await database.drop();
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

async function run(): Promise<Record<string, number | string>> {
  const { rows } = await database.pool.query('select * from drayage.runs');
  return rows[0];
}

/** Waits until so many partitions are done and the given worker is in the middle of one. */
async function untilBusy(worker: ChildProcess, done: number): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { rows } = await database.pool.query(
        `select (select partitions_done from drayage.runs) >= $2 and exists (
           select from drayage.partitions p join drayage.workers w on w.id = p.worker_id
           where p.state = 'running' and w.pid = $1) as busy`,
        [worker.pid, done],
      );
      return rows[0].busy;
    },
    { timeout: 60_000, interval: 20 },
  );
}

const untilEnded = () =>
  vi.waitUntil(async () => (await run()).finished_at !== null, { timeout: 60_000, interval: 100 });

async function stopWorkers(): Promise<void> {
  const alive = workers.filter((worker) => worker.exitCode === null && worker.signalCode === null);
  for (const worker of alive) worker.kill('SIGTERM');
  for (const worker of alive) if (worker.exitCode === null) await once(worker, 'exit');
  expect(alive.map((worker) => worker.exitCode)).toEqual(alive.map(() => 0));
}

/** The table holds what the file holds: no row missing, none twice, every bit as it was sent. */
async function expectExactlyOnce(): Promise<void> {
  const ended = await run();
  expect(ended).toMatchObject({ state: 'succeeded', rows_read: ROWS, rows_written: ROWS, rows_rejected: 0 });
  expect(ended.partitions_done).toBe(ended.partitions_total);
  const { rows } = await database.pool.query(
    'select count(*)::int as rows, count(distinct id)::int as ids, min(id)::int as first, max(id)::int as last from orders',
  );
  expect(rows).toEqual([{ rows: ROWS, ids: ROWS, first: 0, last: ROWS - 1 }]);
  const wrong = await database.pool.query(
    `select count(*)::int as rows from orders where quantity <> id % 977 or price <> trunc((id * 13 % 100000)::numeric / 100, 2)
       or name <> 'a name that is long enough ' || id`,
  );
  expect(wrong.rows).toEqual([{ rows: 0 }]);
  const client = await database.pool.connect();
  expect(await checksumOfQuery(client, `select ${COLUMNS} from orders`)).toEqual({
    rows: ROWS,
    checksum: ended.checksum,
  });
  client.release();
}

test('workers that are killed twice in the middle of their work leave every row exactly once', async () => {
  expect((await project.dray(['enqueue', 'orders'])).code).toBe(0);
  const [first, second] = [startWorker(), startWorker()];
  startWorker();
  await untilBusy(first, 1);
  first.kill('SIGKILL');
  await untilBusy(second, 4);
  second.kill('SIGKILL');
  await untilEnded();
  await expectExactlyOnce();
  const { rows } = await database.pool.query('select count(*)::int as again from drayage.partitions where attempt > 1');
  expect(rows[0].again).toBeGreaterThan(0);
  await stopWorkers();
}, 180_000);

test('a worker that was frozen past its lease writes nothing when it wakes', async () => {
  expect((await project.dray(['enqueue', 'orders'])).code).toBe(0);
  const frozen = startWorker();
  await untilBusy(frozen, 1);
  frozen.kill('SIGSTOP');
  startWorker();
  await untilEnded();
  await expectExactlyOnce();
  frozen.kill('SIGCONT');
  await stopWorkers();
  await expectExactlyOnce();
}, 180_000);

test('a worker that is asked to stop gives back what it has begun, and that is no failure', async () => {
  expect((await project.dray(['enqueue', 'orders'])).code).toBe(0);
  const stopped = startWorker();
  await untilBusy(stopped, 1);
  stopped.kill('SIGINT');
  await once(stopped, 'exit');
  expect(stopped.exitCode).toBe(0);
  const { rows } = await database.pool.query(
    `select count(*) filter (where state = 'running')::int as running, sum(failures)::int as failures,
       count(*) filter (where state = 'pending')::int as pending from drayage.partitions`,
  );
  expect(rows).toEqual([{ running: 0, failures: 0, pending: expect.any(Number) }]);
  expect(rows[0].pending).toBeGreaterThan(0);
  startWorker();
  await untilEnded();
  await expectExactlyOnce();
  await stopWorkers();
}, 180_000);
