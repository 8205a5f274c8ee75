import type pg from 'pg';

/** What `npm run bench:lake` carries: two tables of Postgres, and how DuckDB reads them from CSV. */
export interface BenchTable {
  name: string;
  rows: number;
  /** Names and expressions of the row number `i`. */
  columns: readonly (readonly [name: string, expression: string])[];
  /** The columns of its CSV, as DuckDB writes types. */
  csv: Readonly<Record<string, string>>;
  key: boolean;
}

const WIDE_COLUMNS = 1_600;
/** Days over which the rows of the wide table are spread. */
const DAYS = 100;

/** Statistics of 1,600 columns take half a minute of one core, in the middle of a measurement if need be. */
export const LEFT_ALONE = 'autovacuum_enabled = false';

export function orders(rows: number): BenchTable {
  return {
    name: 'bench_out',
    rows,
    key: true,
    columns: [
      ['id', 'i::bigint'],
      ['quantity', '(hashint8(i) & 1023)::int'],
      ['product', '(hashint8(i + 1) & 65535)::int'],
      ['price', '((hashint8(i + 2) & 16777215) / 100.0)::numeric(15,2)'],
      ['weight', '(hashint8(i + 3) & 1048575) / 997.0::float8'],
      ['customer', `'customer ' || (hashint8(i) & 524287)`],
      ['note', `'order ' || i || ' was taken by telephone and confirmed'`],
      ['day', `date '2015-01-01' + (hashint8(i) & 4095)`],
      ['at', `timestamp '2015-01-01' + make_interval(secs => (hashint8(i) & 134217727) + 0.123)`],
      ['paid', 'hashint8(i) & 3 > 0'],
      ['token', 'md5(i::text)::uuid'],
    ],
    csv: {
      ...{ id: 'BIGINT', quantity: 'INTEGER', product: 'INTEGER', price: 'DECIMAL(15,2)', weight: 'DOUBLE' },
      ...{ customer: 'VARCHAR', note: 'VARCHAR', day: 'DATE', at: 'TIMESTAMP', paid: 'BOOLEAN', token: 'UUID' },
    },
  };
}

/** As wide as a table may be. */
export function wide(rows: number): BenchTable {
  const columns: [string, string, string][] = [
    ['id', 'i::int', 'INTEGER'],
    ['day', `date '2026-01-01' + (i % ${DAYS})::int`, 'DATE'],
  ];
  for (let index = 2; index < WIDE_COLUMNS; index++) {
    const [some, name] = [`(hashint8(i * ${WIDE_COLUMNS} + ${index}) & 65535)`, `f${index}`];
    if (index % 4 === 0) columns.push([name, `'v' || ${some} % 50`, 'VARCHAR']);
    else if (index % 4 === 1) columns.push([name, `${some}::int`, 'INTEGER']);
    else columns.push([name, `(${some} / 1000.0)::real`, 'FLOAT']);
  }
  return {
    name: 'bench_wide',
    rows,
    key: true,
    columns: columns.map(([name, expression]) => [name, expression]),
    csv: Object.fromEntries(columns.map(([name, , type]) => [name, type])),
  };
}

export async function makeTable(pool: pg.Pool, { name, rows, columns, key }: BenchTable): Promise<void> {
  const list = columns.map(([column, expression]) => `${expression} as ${column}`).join(', ');
  await pool.query(`drop table if exists ${name}`);
  await pool.query(`create table ${name} with (${LEFT_ALONE}) as select ${list} from generate_series(1, ${rows}) i`);
  if (key) await pool.query(`alter table ${name} add primary key (id)`);
  await pool.query(`vacuum ${name}`);
}

/** A sum over the texts of all rows, independent of their order, made by Postgres alone. */
export async function sumOf(pool: pg.Pool, table: string): Promise<string> {
  const { rows } = await pool.query(
    `select count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)), 0) as sum from ${table} t`,
  );
  return rows[0].sum;
}
