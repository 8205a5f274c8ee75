import type pg from 'pg';

const COLUMNS = 11;
const ROWS_PER_STATEMENT = 500;

/** Rows as an application would have them in its hands. */
function makeRow(id: number): unknown[] {
  const hex = id.toString(16).padStart(32, '0');
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const note = `order ${id} was taken by telephone and confirmed`;
  return [
    id,
    id % 1000,
    id % 100_000,
    '12345.67',
    id / 997,
    `customer ${id}`,
    note,
    '2020-02-03',
    '2020-02-03 04:05:06',
    true,
    uuid,
  ];
}

/** What most programs do when they are told to hurry: several rows a statement, in one transaction. */
export async function insertMany(pool: pg.Pool, table: string, count: number): Promise<void> {
  const tuple = (row: number) =>
    `(${Array.from({ length: COLUMNS }, (_, column) => `$${row * COLUMNS + column + 1}`).join(',')})`;
  const tuples = Array.from({ length: ROWS_PER_STATEMENT }, (_, row) => tuple(row)).join(',');
  await pool.query('begin');
  for (let first = 0; first < count; first += ROWS_PER_STATEMENT) {
    const values = Array.from({ length: ROWS_PER_STATEMENT }, (_, row) => makeRow(first + row)).flat();
    await pool.query(`insert into ${table} values ${tuples}`, values);
  }
  await pool.query('commit');
}

/** What most programs do when they are not. */
export async function insertSingly(pool: pg.Pool, table: string, count: number): Promise<void> {
  const tuple = `(${Array.from({ length: COLUMNS }, (_, column) => `$${column + 1}`).join(',')})`;
  await pool.query('begin');
  for (let id = 0; id < count; id++) await pool.query(`insert into ${table} values ${tuple}`, makeRow(id));
  await pool.query('commit');
}
