import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';
import { useWorkspace } from '../helpers/workspace.ts';

let project: TestProject;
let database: TestDatabase;

const ROWS = 40_000;

/** What breaks which rule of the table, by row number (from 1). */
const GUILTY: Record<number, [reason: string, column: string, value: string]> = {
  1: ['check', 'amount', '-1'],
  2: ['check', 'amount', '-2'],
  777: ['not_unique', 'code', `'code 5'`],
  5000: ['foreign_key', 'customer', '999'],
  5001: ['foreign_key', 'customer', '998'],
  9999: ['check', 'email', `'no address'`],
  16384: ['raised', 'note', `'before'`],
  16385: ['raised', 'note', `'after'`],
  20000: ['nul_in_text', 'note', `'a' || chr(0)`],
  33333: ['sqlstate_T4242', 'note', `'custom'`],
  39999: ['not_unique', 'code', `'code 5'`],
  40000: ['foreign_key', 'customer', '1000'],
};

const duck = useWorkspace(async (opened) => {
  ({ project, database } = opened);
  const job = (name: string, target: string) =>
    project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Orders', source: () => files('orders.parquet', { partitionRows: 1e6 }),
         targets: { orders: table(${target}) },
       });`,
    );
  await job('orders', '{}');
  await job('orders-upsert', `{ mode: 'upsert', key: ['id'] }`);
  await database.pool.query(`
    create domain email as text check (value like '%@%');
    create table customers (id int primary key);
    insert into customers select generate_series(0, 99);
    create table orders (
      id int primary key, code text unique, amount int check (amount >= 0), email email,
      customer int references customers deferrable initially deferred, note text);
    create function refuse() returns trigger language plpgsql as $$ begin
      if tg_when = 'BEFORE' and new.note = 'before' then raise 'no befores'; end if;
      if tg_when = 'AFTER' and new.note = 'after' then raise 'no afters'; end if;
      if new.note = 'custom' then raise 'mine' using errcode = 'T4242'; end if;
      return new;
    end $$;
    create trigger before_row before insert or update on orders for each row execute function refuse();
    create trigger after_row after insert or update on orders for each row execute function refuse();`);
  const column = (name: string, usual: string) => {
    const guilty = Object.entries(GUILTY).filter(([, [, where]]) => where === name);
    return `case i ${guilty.map(([row, [, , value]]) => `when ${Number(row) - 1} then ${value}`).join(' ')} else ${usual} end as ${name}`;
  };
  await writeParquet(
    duck,
    `select i::int as id, ${column('code', `'code ' || i`)}, ${column('amount', 'i')}::int as amount,
       ${column('email', `i || '@example.org'`)}, ${column('customer', 'i % 100')}::int as customer,
       ${column('note', `'note'`)} from range(${ROWS}) t(i)`.replaceAll(
      /(end as (\w+))::int as \w+/g,
      'end::int as $2',
    ),
    `${project.root}/orders.parquet`,
  );
});

async function expectGuilty(run: number) {
  const { rows } = await database.pool.query<{ row: number; reason: string }>(
    'select row_number as row, reason from drayage.rejects where run_id = $1 order by row_number',
    [run],
  );
  const wanted = Object.entries(GUILTY).map(([row, [reason]]) => ({ row: Number(row), reason }));
  expect(rows.map(({ row, reason }) => ({ row: Number(row), reason }))).toEqual(wanted);
}

async function expectLoaded() {
  const loaded = await database.pool.query<{ n: number }>('select count(*)::int as n from orders');
  expect(loaded.rows[0]!.n).toBe(ROWS - Object.keys(GUILTY).length);
}

test('rows that only Postgres can refuse are found, kept with their reasons, and everything else is loaded', async () => {
  const report = JSON.parse((await project.dray(['run', 'orders', '--json'])).stdout);
  const rejected = Object.keys(GUILTY).length;
  expect(report).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: ROWS, written: ROWS - rejected, rejected },
  });
  await expectGuilty(report.run);
  await expectLoaded();
  const { rows } = await database.pool.query('select message, raw from drayage.rejects where row_number = 5000');
  expect(rows).toMatchObject([{ message: expect.stringContaining('(999)'), raw: { id: 4999, customer: 999 } }]);
});

test('an upsert finds them too, also when rows exist already', async () => {
  await database.pool.query('delete from orders where id % 2 = 0');
  const report = JSON.parse((await project.dray(['run', 'orders-upsert', '--json'])).stdout);
  expect(report.errors).toEqual([]);
  const rejected = Object.keys(GUILTY).length;
  expect(report).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: ROWS, written: ROWS / 2 - 7, unchanged: ROWS / 2 - 5, rejected },
  });
  await expectGuilty(report.run);
  await expectLoaded();
});

test('more rejects than allowed fail the partition as a whole', async () => {
  await database.pool.query('truncate orders');
  for (const limit of ['3', '0.01%']) {
    const finished = await project.dray(['run', 'orders', '--force', '--max-rejects', limit, '--json']);
    expect(finished.code).toBe(1);
    const report = JSON.parse(finished.stdout);
    expect(report.state).toBe('failed');
    expect(report.errors[0]).toMatchObject({ code: 'TOO_MANY_REJECTS', message: expect.stringContaining(limit) });
    const left = await database.pool.query(
      'select (select count(*)::int from orders) as rows, count(*)::int as rejects from drayage.rejects where run_id = $1',
      [report.run],
    );
    expect(left.rows).toEqual([{ rows: 0, rejects: 0 }]);
  }
  const within = await project.dray(['run', 'orders', '--force', '--max-rejects', '1%', '--json']);
  expect(JSON.parse(within.stdout).state).toBe('completed_with_rejects');
});

test('rejects are exported, and loaded after all when the cause is mended', async () => {
  await database.pool.query('truncate orders');
  const report = JSON.parse((await project.dray(['run', 'orders', '--force', '--json'])).stdout);
  const rejected = Object.keys(GUILTY).length;
  const exported = await project.dray(['rejects', String(report.run), '--export', 'left.jsonl']);
  expect(exported.stdout).toMatch(`${rejected} rejects of run ${report.run} written to left.jsonl`);
  const lines = (await readFile(`${project.root}/left.jsonl`, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        file: 'orders.parquet',
        row: 9999,
        reason: 'check',
        raw: expect.objectContaining({ id: 9998 }),
      }),
    ]),
  );
  expect(lines).toHaveLength(rejected);
  await project.dray(['rejects', String(report.run), '--export', 'left.parquet']);
  const parquet = await duck.use((connection) =>
    query(connection, `select count(*) as n, sum((raw::json->>'id')::int) as ids from '${project.root}/left.parquet'`),
  );
  const ids = Object.keys(GUILTY).reduce((sum, row) => sum + Number(row) - 1, 0);
  expect(parquet.map(({ n, ids: sum }) => [Number(n), Number(sum)])).toEqual([[rejected, ids]]);
  const refused = await project.dray(['rejects', String(report.run), '--export', 'left.xlsx']);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('.jsonl or .parquet') });

  await database.pool.query(
    `insert into customers values (998), (999); alter table orders drop constraint orders_amount_check`,
  );
  const first = await project.dray(['rejects', String(report.run), '--replay', '--json']);
  expect(first.code).toBe(1);
  expect(JSON.parse(first.stdout)).toMatchObject({ loaded: 4, rejected: rejected - 4 });
  expect(await rejectsLeft(report.run)).toHaveLength(rejected - 4);

  await database.pool.query(`
    insert into customers values (1000); drop trigger before_row on orders; drop trigger after_row on orders;
    alter table orders drop constraint orders_code_key; alter table orders alter email type text`);
  await project.write(
    'jobs/orders.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'orders', description: 'Orders', source: () => files('orders.parquet', { partitionRows: 1e6 }),
       transform: sql\`select * replace (replace(note, chr(0), '') as note) from source\`, targets: { orders: table({}) },
     });`,
  );
  const second = await project.dray(['rejects', String(report.run), '--replay', '--json']);
  expect(JSON.parse(second.stdout)).toMatchObject({ loaded: rejected - 4, rejected: 0 });
  const status = JSON.parse((await project.dray(['status', String(report.run), '--json'])).stdout);
  expect(status).toMatchObject({ state: 'succeeded', rows: { read: ROWS, written: ROWS, rejected: 0 } });
  const client = await database.pool.connect();
  expect(await checksumOfQuery(client, 'select * from orders')).toEqual({ rows: ROWS, checksum: status.checksum });
  client.release();
  expect(JSON.parse((await project.dray(['rejects', String(report.run), '--replay', '--json'])).stdout)).toMatchObject({
    loaded: 0,
  });
});

test('when nearly every row is refused, all of them are found, and those between them are loaded', async () => {
  const many = 9_000;
  await database.pool.query('create table lines (id int primary key, customer int references customers)');
  await project.write(
    'jobs/lines.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({ name: 'lines', description: 'Lines', source: () => files('lines.parquet'), targets: { lines: table() } });`,
  );
  await writeParquet(
    duck,
    `select i::int as id, if(i % 1000 < 2, 1, -i)::int as customer from range(1, ${many + 1}) t(i)`,
    `${project.root}/lines.parquet`,
  );
  const good = (2 * many) / 1000;
  const report = JSON.parse((await project.dray(['run', 'lines', '--json'])).stdout);
  expect(report).toMatchObject({ errors: [], rows: { read: many, written: good, rejected: many - good } });
  const { rows } = await database.pool.query(
    `select count(distinct row_number)::int as rows, count(*) filter (where raw->>'id' <> row_number::text)::int as wrong
     from drayage.rejects where run_id = $1 and reason = 'foreign_key'`,
    [report.run],
  );
  expect(rows).toEqual([{ rows: many - good, wrong: 0 }]);
});

async function rejectsLeft(run: number) {
  return (await database.pool.query('select id from drayage.rejects where run_id = $1', [run])).rows;
}
