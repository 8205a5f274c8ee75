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
  /** The job's target, as it stands in a job file. */
  target: string;
  /** What the time is divided by: the floor of its own table, or another scenario, which is run in the same rounds. */
  over: 'floor' | Omit<string, 'floor'>;
  bound: number;
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

/** By column, what breaks a rule of the table: two checks, a null, a length, a NUL. */
const VIOLATIONS: Record<string, string> = {
  quantity: '-1',
  weight: '1e7',
  product: 'null',
  customer: `repeat('x', 50)`,
  note: `'n' || chr(0)`,
};

/** Rows that break a rule, each kind in its turn. */
const withViolators = ORDERS.split(',\n').map((column) => {
  const [, expression, name] = /^\s*(.*) as (\w+)$/s.exec(column)!;
  const kind = Object.keys(VIOLATIONS).indexOf(name!);
  if (kind === -1) return column;
  const every = 1_000_000 / VIOLATORS;
  const guilty = `i % ${every} = 777 and (i // ${every}) % ${Object.keys(VIOLATIONS).length} = ${kind}`;
  return `if(${guilty}, ${VIOLATIONS[name!]}, ${expression}) as ${name}`;
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
    table: `id bigint primary key, ${ORDERS_TABLE}, check (quantity >= 0), check (weight < 1e6)`,
    target: '{}',
    over: 'floor',
    bound: 1.25,
  },
  {
    name: 'violators',
    select: withViolators.join(', '),
    rows: 1_000_000,
    table: `id bigint primary key, ${ORDERS_TABLE.replace('product integer', 'product integer not null').replace('customer text', 'customer varchar(40)')},
      check (quantity >= 0), check (weight < 1e6)`,
    target: '{}',
    over: 'rules',
    bound: 3,
  },
];

/** Peak memory of the worker, whatever it loads. */
export const MEMORY_MB = 256;
