/** One measure: rows, a table, and how Drayage loads them. */
export interface Scenario {
  name: string;
  /** The rows, as DuckDB makes them; every run makes the same. */
  select: string;
  rows: number;
  /** Default 122,880; less where they would be larger than what programs usually write. */
  rowGroupRows?: number;
  /** How the file is packed. Default zstd. */
  compression?: string;
  /** Takes minutes and gigabytes: only measured when it is asked for by name. */
  onlyByName?: true;
  /** What is in the brackets of `create table`. */
  table: string;
  /** Run before the table is made, and may be there already. */
  needs?: string;
  /** Run when the table is made. */
  finish?: string;
  /** The job's target, as it stands in a job file. */
  target: string;
  /** What the time is divided by: the floor of its own table, or another scenario, which is run in the same rounds. */
  over: 'floor' | Omit<string, 'floor'>;
  bound: number;
  /** Rows that have to be rejected, no more and no fewer. Default 0. */
  rejected?: number;
  /** Run before each load, after the table was emptied. */
  before?: string;
  /** Loads the same rows once more, into the table that the scenario above has just filled. */
  again?: boolean;
  /** Scenario whose file is loaded, in place of one of its own. */
  file?: string;
  /** The roads beside the floor that are measured, too. */
  roads?: readonly ('csv' | 'insertMany' | 'insertSingly' | 'pgloader')[];
}

const ORDERS = `
  i::bigint as id,
  (hash(i, 'quantity') % 1000)::int as quantity,
  (hash(i, 'product') % 100000)::int as product,
  ((hash(i, 'price') % 100000000) / 100)::decimal(15,2) as price,
  (hash(i, 'weight') % 1000000) / 997.0 as weight,
  'customer ' || (hash(i, 'customer') % 500000) as customer,
  'order ' || i || ' was taken by telephone and confirmed' as note,
  date '2015-01-01' + (hash(i, 'day') % 4000)::int as day,
  timestamp '2015-01-01' + to_microseconds((hash(i, 'at') % 300000000000000)::bigint) as at,
  hash(i, 'paid') % 3 > 0 as paid,
  md5(i::varchar)::uuid as token`;

const ORDERS_TABLE = `quantity integer, product integer, price numeric(15,2), weight double precision, customer text,
  note text, day date, at timestamp, paid boolean, token uuid`;

const FLOATS = 1600;
const VIOLATORS = 25;

const each = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index));

/** Two of five values are null. */
const withNulls = ORDERS.split(',\n').map((column) => {
  const [, expression, name] = /^\s*(.*) as (\w+)$/s.exec(column)!;
  return `if(hash(i, '${name}') % 5 < 2, null, ${expression}) as ${name}`;
});

/** Rules of every kind, and what they need beside the table. */
const RULES_NEED = `
  create table if not exists bench_sizes (size integer primary key);
  insert into bench_sizes select generate_series(0, 999) on conflict do nothing;
  do $$ begin create domain bench_price as numeric(15,2) check (value < 1e9);
  exception when duplicate_object then null; end $$;
  create or replace function bench_refuse() returns trigger language plpgsql as $$ begin
    raise 'not this one';
  end $$`;
/** Takes that away again, when the tables are gone. */
export const RULES_LEAVE =
  'drop table if exists bench_sizes; drop domain if exists bench_price; drop function if exists bench_refuse';
const RULES_TABLE = `id bigint primary key, quantity integer references bench_sizes check (quantity >= 0),
  product integer not null, price bench_price, weight double precision check (weight < 1e6), customer varchar(40),
  note text, day date, at timestamp, paid boolean, token uuid unique`;
const refuseIn = (table: string) => `create trigger refuse before insert on ${table} for each row
  when (new.note = 'forbidden') execute function bench_refuse()`;

/** What breaks one of the rules: two checks, a null, a length, a NUL, a foreign key, another unique column, a domain, a trigger. */
const VIOLATIONS: readonly [column: string, value: string][] = [
  ['quantity', '-1'],
  ['weight', '1e7'],
  ['product', 'null'],
  ['customer', `repeat('x', 50)`],
  ['note', `'n' || chr(0)`],
  ['quantity', '5000'],
  ['token', 'md5((i - 1)::varchar)::uuid'],
  ['price', '5e9::decimal(15,2)'],
  ['note', `'forbidden'`],
];

/** Rows that break a rule, each kind in its turn. */
const withViolators = ORDERS.split(',\n').map((column) => {
  const [, expression, name] = /^\s*(.*) as (\w+)$/s.exec(column)!;
  const every = 1_000_000 / VIOLATORS;
  const cases = VIOLATIONS.flatMap(([broken, value], kind) => {
    const guilty = `i % ${every} = 777 and (i // ${every}) % ${VIOLATIONS.length} = ${kind}`;
    return broken === name ? [`when ${guilty} then ${value}`] : [];
  });
  return cases.length === 0 ? column : `case ${cases.join(' ')} else ${expression} end as ${name}`;
});

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'heap',
    select: ORDERS,
    rows: 2_000_000,
    table: `id bigint, ${ORDERS_TABLE}`,
    target: '{}',
    over: 'floor',
    bound: 1.08,
    roads: ['csv', 'insertMany', 'insertSingly', 'pgloader'],
  },
  {
    name: 'append',
    select: ORDERS,
    rows: 2_000_000,
    file: 'heap',
    table: `id bigint primary key, ${ORDERS_TABLE}`,
    target: '{}',
    over: 'floor',
    bound: 1.1,
    roads: ['csv'],
  },
  {
    name: 'huge',
    select: ORDERS,
    rows: 44_000_000,
    compression: 'uncompressed',
    onlyByName: true,
    table: `id bigint, ${ORDERS_TABLE}`,
    target: '{}',
    over: 'floor',
    bound: 1.08,
  },
  {
    name: 'upsert',
    select: ORDERS,
    rows: 2_000_000,
    file: 'heap',
    table: `id bigint primary key, ${ORDERS_TABLE}`,
    target: `{ mode: 'upsert', key: ['id'] }`,
    over: 'floor',
    bound: 1.1,
  },
  {
    name: 'upsert-again',
    select: ORDERS,
    rows: 2_000_000,
    file: 'heap',
    table: `id bigint primary key, ${ORDERS_TABLE}`,
    target: `{ mode: 'upsert', key: ['id'] }`,
    again: true,
    over: 'upsert',
    bound: 1,
  },
  {
    name: 'upsert-some',
    select: ORDERS,
    rows: 2_000_000,
    file: 'heap',
    table: `id bigint primary key, ${ORDERS_TABLE}`,
    target: `{ mode: 'upsert', key: ['id'] }`,
    before: `insert into bench_upsert_some (id, note) select i, 'old' from generate_series(0, 1999999, 100) i`,
    over: 'append',
    bound: 1.6,
  },
  {
    name: 'texts',
    rowGroupRows: 16_384,
    select: `i::bigint as id, ${each(9, (n) => `repeat(md5(i || ' ${n}'), 7) as t${n}`).join(', ')}`,
    rows: 500_000,
    table: `id bigint, ${each(9, (n) => `t${n} text`).join(', ')}`,
    target: '{}',
    over: 'floor',
    bound: 1.1,
  },
  {
    name: 'floats',
    rowGroupRows: 5000,
    select: each(FLOATS, (n) => `(hash(i, ${n}) % 1000000 / 997)::float as f${n}`).join(', '),
    rows: 10_000,
    table: each(FLOATS, (n) => `f${n} real`).join(', '),
    target: '{}',
    over: 'floor',
    bound: 1.3,
  },
  {
    name: 'nulls',
    select: withNulls.join(', '),
    rows: 2_000_000,
    table: `id bigint, ${ORDERS_TABLE}`,
    target: '{}',
    over: 'floor',
    bound: 1.25,
  },
  {
    name: 'lists',
    select: `i::bigint as id, [(hash(i, n) % 1000)::int for n in range((hash(i) % 20)::bigint)] as numbers,
      ['word ' || (hash(i, n) % 1000) for n in range((hash(i, 'words') % 5)::bigint)] as words`,
    rows: 2_000_000,
    table: 'id bigint, numbers integer[], words text[]',
    target: '{}',
    over: 'floor',
    bound: 1.25,
  },
  {
    name: 'jsonb',
    select: `i::bigint as id, {number: i, customer: {name: 'customer ' || (hash(i) % 1000), vip: i % 7 = 0},
      lines: [{product: hash(i, n) % 1000, amount: n} for n in range(3)]}::json as data`,
    rows: 1_000_000,
    table: 'id bigint, data jsonb',
    target: '{}',
    over: 'floor',
    bound: 1.25,
  },
  {
    name: 'rules',
    select: ORDERS,
    rows: 1_000_000,
    needs: RULES_NEED,
    table: RULES_TABLE,
    finish: refuseIn('bench_rules'),
    target: '{}',
    over: 'floor',
    bound: 1.25,
  },
  {
    name: 'violators',
    select: withViolators.join(', '),
    rows: 1_000_000,
    needs: RULES_NEED,
    table: RULES_TABLE,
    finish: refuseIn('bench_violators'),
    target: '{}',
    over: 'rules',
    bound: 3,
    rejected: VIOLATORS,
  },
];

/** Peak memory of the worker, whatever it loads. */
export const MEMORY_MB = 256;
