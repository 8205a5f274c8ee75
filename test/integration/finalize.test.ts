import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { requireTable } from '../../src/postgres/catalog.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { completeTable } from '../../src/sinks/after.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
const never = new AbortController().signal;
let project: TestProject;
let database: TestDatabase;

const AFTER = `
  -- Built last; this takes no lock against writers.
  create index concurrently if not exists items_name on items (name);
  create index items_place on items (id, name);
  alter table items add constraint items_named check (name <> '' /* ; */ and name <> ';');
  alter table items add primary key (serial);
  alter table items add column noted text default 'a;b';
  create function items_touch() returns trigger language plpgsql as $touch$
  begin
    new.name := new.name || ';';
    return new;
  end;
  $touch$;;
  create or replace trigger items_touch before update on items for each row execute function items_touch()`;

beforeAll(async () => {
  project = await TestProject.create();
  await project.write(
    'jobs/items.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'items', description: 'Items', source: () => files('items.parquet'),
       targets: { items: table({ ddl: 'items.sql', after: 'items.after.sql' }) },
     });`,
  );
  await project.write(
    'sql/targets/items.sql',
    'create table items (id int, name text, serial bigint generated always as identity)',
  );
  const rows = `select i::int as id, 'item ' || (i // 2) as name from range(1000) t(i)`;
  await writeParquet(duck, rows, `${project.root}/items.parquet`);
});
beforeEach(async () => {
  database = await createDatabase();
  project.env.DATABASE_URL = database.url;
});
afterEach(() => database.drop());
afterAll(async () => {
  await duck.close();
  await project.remove();
});

const setAfter = (sql: string) => project.write('sql/targets/items.after.sql', sql);

async function runItems(...flags: string[]) {
  const { stdout } = await project.dray(['run', 'items', '--json', ...flags]);
  return JSON.parse(stdout);
}

/** Indexes with their validity, constraints but for NOT NULL, functions and triggers, by name. */
async function objects(): Promise<Record<string, string>> {
  const { rows } = await database.pool.query(`
    select indexrelid::regclass::text as name, case when indisvalid then 'valid' else 'invalid' end as kind
      from pg_index where indrelid = 'items'::regclass
    union all select conname, 'constraint' from pg_constraint where conrelid = 'items'::regclass and contype = 'c'
    union all select tgname, 'trigger' from pg_trigger where tgrelid = 'items'::regclass order by 1`);
  return Object.fromEntries(rows.map(({ name, kind }) => [name, kind]));
}

/** Lets nobody build an index on the table until it is called back. */
async function holdTable(): Promise<() => Promise<void>> {
  const client = await database.pool.connect();
  await client.query('begin; lock table items in row exclusive mode');
  return async () => {
    await client.query('commit');
    client.release();
  };
}

test('indexes and constraints are built when the rows are in, and a second run does no harm', async () => {
  await setAfter(AFTER);
  const built = {
    items_name: 'valid',
    items_named: 'constraint',
    items_pkey: 'valid',
    items_place: 'valid',
    items_touch: 'trigger',
  };
  expect(await runItems()).toMatchObject({ state: 'succeeded', phase: null, errors: [] });
  expect(await objects()).toEqual(built);
  expect(await runItems('--force')).toMatchObject({ state: 'succeeded', rows: { written: 1000 }, errors: [] });
  expect(await objects()).toEqual(built);
  const { rows } = await database.pool.query(
    `update items set id = id where serial = 1 returning name, noted, (select reltuples::int from pg_class where relname = 'items') as analyzed`,
  );
  expect(rows).toEqual([{ name: 'item 0;', noted: 'a;b', analyzed: 2000 }]);
});

test('an index that an interrupted build has left invalid is built anew', async () => {
  await setAfter('create index if not exists items_id on items (id)');
  await runItems();
  await expect(database.pool.query('create unique index concurrently items_name on items (name)')).rejects.toThrow();
  expect(await objects()).toEqual({ items_id: 'valid', items_name: 'invalid' });
  await setAfter('create index concurrently if not exists items_name on items (name)');
  expect(await runItems()).toMatchObject({ state: 'succeeded' });
  expect(await objects()).toEqual({ items_id: 'valid', items_name: 'valid' });
});

test('a statement that fails fails the run, with the file and the statement; what stands before it stays', async () => {
  await setAfter(`create index items_id on items (id); -- why
    create unique index /* once */ items_name on items (name); create index items_last on items (id)`);
  const report = await runItems();
  expect(report).toMatchObject({ state: 'failed', phase: null, partitions: { done: 1 } });
  expect(report.errors[0].message).toMatch(
    /^items\.after\.sql: .*could not create unique index "items_name".*duplicated/,
  );
  expect(report.errors[0].message).toContain('in: create unique index items_name on items (name)');
  expect(report.errors[0].message).toContain('table public.items');
  expect(report.errors[0].message).toContain('"items_name"');
  expect(await objects()).toEqual({ items_id: 'valid' });
});

test.each([
  ['a transaction that is not ended', 'begin; create index items_id on items (id)', /a transaction is begun/],
  [
    'an object that is there already, in a transaction of the file',
    'create index items_id on items (id); begin; create index items_id on items (id); commit',
    /items_id" already exists.*in: create index items_id/,
  ],
  [
    'a code that also stands for a second primary key',
    'create view seen as select id from items; create or replace view seen as select name from items',
    /42P16.*in: create or replace view/,
  ],
])('%s is not taken for done', async (_, script, message) => {
  await database.pool.query('create table items (id int, name text)');
  const completing = { pool: database.pool, tell: async () => undefined, signal: never };
  await expect(
    completeTable(await items(), { file: 'items.after.sql', sql: script }, true, completing),
  ).rejects.toThrow(message);
});

function startWorker() {
  const worker = project.spawn(['work']);
  worker.stdout.resume();
  worker.stderr.resume();
  return worker;
}

async function untilRun(column: 'phase' | 'state', value: string): Promise<void> {
  const query = `select ${column} as value from drayage.run_progress`;
  await vi.waitUntil(async () => (await database.pool.query(query)).rows[0].value === value, {
    timeout: 60_000,
    interval: 50,
  });
}

/** The build of a worker that is gone goes on in the server; another worker waits for it, and finds it done. */
async function expectTakenUp(letGo: () => Promise<void>): Promise<void> {
  const worker = startWorker();
  await untilRun('phase', 'waiting for another process that completes public.items');
  await letGo();
  await untilRun('state', 'succeeded');
  expect(await objects()).toEqual({ items_name: 'valid' });
  worker.kill('SIGTERM');
  await once(worker, 'exit');
}

test('what is being built is shown; interrupted, it burns no attempt, and another worker takes it up', async () => {
  await setAfter('create index concurrently items_name on items (name)');
  await project.dray(['enqueue', 'items']);
  const letGo = await holdTable();
  const stopped = startWorker();
  await untilRun('phase', 'building items_name (waiting for writers before build)');
  const { stdout } = await project.dray(['status', '1']);
  expect(stdout).toContain('phase       building items_name (waiting for writers before build)');
  stopped.kill('SIGINT');
  await once(stopped, 'exit');
  expect(stopped.exitCode).toBe(0);
  const { rows } = await database.pool.query(
    `select r.state, r.phase, j.state as job, j.retry_count, j.retry_limit
     from drayage.runs r, pgboss.job j where j.name = 'drayage-finalize'`,
  );
  expect(rows).toEqual([{ state: 'finalizing', phase: null, job: 'created', retry_count: 0, retry_limit: 10 }]);
  await expectTakenUp(letGo);
});

test('a worker that is killed in the middle of a build leaves it to another one', async () => {
  await setAfter('create index concurrently items_name on items (name)');
  await project.dray(['enqueue', 'items']);
  const letGo = await holdTable();
  const killed = startWorker();
  await untilRun('phase', 'building items_name (waiting for writers before build)');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  await expectTakenUp(letGo);
}, 120_000);

const items = () => requireTable(database.pool as never, 'items');

test('two that complete the same table do so one after the other', async () => {
  await database.pool.query(`create table items as select i as id, 'item' as name from generate_series(1, 1000) i`);
  const letGo = await holdTable();
  const pool = createPool(database.url, { max: 8, applicationName: 'test' });
  const told: string[][] = [[], [], []];
  const script = { file: 'items.after.sql', sql: 'create index concurrently items_name on items (name)' };
  const ends = told.map(() => new AbortController());
  const table = await items();
  const all = told.map((phases, index) =>
    completeTable(table, script, true, {
      pool,
      tell: async (phase) => void phases.push(phase ?? 'nothing'),
      signal: ends[index]!.signal,
    }),
  );
  await vi.waitUntil(() => told.every((phases) => phases.length > 0));
  expect(told.flat().filter((phase) => phase.startsWith('building'))).toHaveLength(1);
  const last = told.findLastIndex((phases) => phases[0]!.startsWith('waiting'));
  ends[last]!.abort(new Error('enough'));
  await expect(all[last]).rejects.toThrow('enough');
  await letGo();
  await Promise.all(all.filter((_, index) => index !== last));
  expect(await objects()).toEqual({ items_name: 'valid' });
  expect(told.map((phases) => phases.at(-1))).toEqual(['nothing', 'nothing', 'nothing']);
  await pool.end();
});
