import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { useWorkspace } from '../helpers/workspace.ts';

/** A few bad rows among very many, each bad in its own way, on their way through the queue and a worker's process. */
const ROWS = 100_000;

interface Row {
  id: number;
  code: string;
  amount: number | null;
  email: string;
  customer: number;
  name: string;
  note: string;
}

/** What makes a row bad: one value of it, by its reason. */
const KINDS: [reason: string, column: keyof Row, sql: string, value: Row[keyof Row]][] = [
  ['check', 'amount', '-1', -1],
  ['foreign_key', 'customer', '999', 999],
  ['too_long', 'name', `'far too long'`, 'far too long'],
  ['not_unique', 'code', `'code 5'`, 'code 5'],
  ['check', 'email', `'nowhere'`, 'nowhere'],
  ['raised', 'note', `'forbidden'`, 'forbidden'],
  ['nul_in_text', 'note', `'a' || chr(0)`, 'a\0'],
  ['null_not_allowed', 'amount', 'null', null],
];

/** The bad rows by their ids: the first and the last, neighbours, and others all over the file. */
const GUILTY = new Map(
  [0, 1, 2, ROWS - 2, ROWS - 1, ...Array.from({ length: 20 }, (_, index) => 1000 + index * 4799)].map((id, index) => {
    return [id, KINDS[index % KINDS.length]!];
  }),
);

function goodRow(id: number): Row {
  const [code, email] = [`code ${id}`, `${id}@example.org`];
  return { id, code, amount: id % 50, email, customer: id % 100, name: `n${id}`, note: 'note' };
}

function select(): string {
  const usual: Record<keyof Row, string> = {
    id: 'i::int',
    code: `'code ' || i`,
    amount: '(i % 50)::int',
    email: `i || '@example.org'`,
    customer: '(i % 100)::int',
    name: `'n' || i`,
    note: `'note'`,
  };
  const columns = Object.entries(usual).map(([name, otherwise]) => {
    const cases = [...GUILTY].filter(([, [, column]]) => column === name);
    const list = cases.map(([id, [, , sql]]) => `when ${id} then ${sql}`).join(' ');
    return list ? `case i ${list} else ${otherwise} end as ${name}` : `${otherwise} as ${name}`;
  });
  return `select ${columns.join(', ')} from range(${ROWS}) t(i)`;
}

let project: TestProject;
let database: TestDatabase;
useWorkspace(async ({ duck, ...opened }) => {
  ({ project, database } = opened);
  await database.pool.query(`
    create domain email as text check (value like '%@%');
    create table customers (id int primary key);
    insert into customers select generate_series(0, 99);
    create table orders (
      id int primary key, code text unique, amount int not null check (amount >= 0), email email,
      customer int references customers, name varchar(10), note text);
    create function refuse() returns trigger language plpgsql as $$ begin
      if new.note = 'forbidden' then raise 'not this one'; end if;
      return new;
    end $$;
    create trigger refuse before insert on orders for each row execute function refuse()`);
  await project.write(
    'jobs/orders.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'orders', description: 'Orders', source: () => files('orders.parquet'), targets: { orders: table() },
     });`,
  );
  await writeParquet(duck, select(), `${project.root}/orders.parquet`);
});

test('25 bad rows of eight kinds among 100,000 are each found and kept whole, and all others are loaded', async () => {
  expect((await project.dray(['enqueue', 'orders'])).code).toBe(0);
  const worker = project.spawn(['work']);
  worker.stdout.resume();
  worker.stderr.resume();
  const state = async () => (await database.pool.query('select state from drayage.runs')).rows[0].state;
  await expect.poll(state, { timeout: 50_000, interval: 100 }).toBe('completed_with_rejects');
  worker.kill('SIGTERM');

  const { rows } = await database.pool.query(
    'select row_number::int as row, reason, raw from drayage.rejects order by row_number',
  );
  const wanted = [...GUILTY].sort(([a], [b]) => a - b);
  expect(rows).toEqual(
    wanted.map(([id, [reason, column, , value]]) => ({
      row: id + 1,
      reason,
      raw: { ...goodRow(id), [column]: value },
    })),
  );
  const loaded = await database.pool.query('select count(*)::int as n, sum(id)::float8 as ids from orders');
  const guilty = [...GUILTY.keys()].reduce((sum, id) => sum + id, 0);
  expect(loaded.rows).toEqual([{ n: ROWS - GUILTY.size, ids: (ROWS * (ROWS - 1)) / 2 - guilty }]);
});
