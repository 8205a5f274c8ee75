import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DrayageError, explain } from '../../src/base/errors.ts';
import { Lake } from '../../src/lake/lake.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish } from '../helpers/lake.ts';

const duck = createDuck();
let home: string;
let root: string;
let lake: Lake;

const TICKETS = `select i as id, case when i % 3 = 0 then 'open' else 'closed' end as status,
  (i * 1.25)::decimal(10,2) as amount, timestamp '2026-01-30 10:00:00' + interval (i) seconds as created_at`;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'drayage-lake-'));
  root = join(home, 'lake');
  await publish(duck, root, 'first', [
    { dataset: 'ticket', day: '2026-01-30', query: `${TICKETS} from range(1000) t(i)` },
    { dataset: 'ticket', day: '2026-01-31', query: `${TICKETS}, 'late' as topic from range(1000, 1500) t(i)` },
    { dataset: 'entity', day: '2026-01-30', query: `select 1 as ticket_id, ['a', 'b'] as names` },
  ]);
  lake = new Lake({ root, home: join(home, 'cache') });
});
afterAll(async () => {
  await lake.close();
  await duck.close();
  await rm(home, { recursive: true, force: true });
});

const failure = async (sql: string, params?: never[]): Promise<DrayageError> => {
  try {
    await lake.query(sql, params);
  } catch (error) {
    return error as DrayageError;
  }
  throw new Error(`${sql} was answered`);
};

describe('a dataset', () => {
  test('has the columns of all its files, and the numbers that its folders name', async () => {
    const { columns, rows } = await lake.query('select * from ticket where id in (5, 1200) order by id');
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id BIGINT',
      'status VARCHAR',
      'amount DECIMAL(10,2)',
      'created_at TIMESTAMP',
      'topic VARCHAR',
      'year INTEGER',
      'month INTEGER',
      'day INTEGER',
    ]);
    expect(rows).toEqual([
      {
        ...{ id: 5, status: 'closed', amount: '6.25', created_at: '2026-01-30 10:00:05', topic: null },
        ...{ year: 2026, month: 1, day: 30 },
      },
      {
        ...{ id: 1200, status: 'open', amount: '1500.00', created_at: '2026-01-30 10:20:00', topic: 'late' },
        ...{ year: 2026, month: 1, day: 31 },
      },
    ]);
  });

  test('is the files of all manifests without those that one of them removes, whatever else lies in its folders', async () => {
    const other = join(home, 'removed');
    const [gone] = await publish(duck, other, 'a', [{ dataset: 'ticket', day: '2026-01-01', query: 'select 1 as id' }]);
    await publish(duck, other, 'b', [{ dataset: 'ticket', day: '2026-01-01', query: 'select 2 as id' }], [gone!.path]);
    await writeFile(join(other, 'ticket', 'stray.parquet'), 'nobody knows it');
    const reader = new Lake({ root: other, home: join(home, 'cache') });
    expect((await reader.query('select id from ticket')).rows).toEqual([{ id: 2 }]);
    await reader.close();
  });

  test('takes parameters by place and by name', async () => {
    const byPlace = await lake.query('select id from ticket where id = $1 and status = $2', [6, 'open']);
    expect(byPlace.rows).toEqual([{ id: 6 }]);
    const byName = await lake.query('select id from ticket where created_at < $until::timestamp order by id limit 1', {
      until: '2026-01-30 11:00:00',
    });
    expect(byName.rows).toEqual([{ id: 0 }]);
    await expect(lake.query('select $1 as x')).rejects.toMatchObject({ code: 'PARAM_INVALID' });
    await expect(lake.query('select $x as x', { y: 1 })).rejects.toMatchObject({ code: 'PARAM_INVALID' });
  });

  test('gives values as JavaScript has them, exactly', async () => {
    const { rows } = await lake.query(`select 9007199254740993 as large, 12 as small, 0.10::decimal(4,2) as decimal,
      date '2026-02-03' as day, timestamptz '2026-02-03 01:02:03+01' as at, [1, null] as list, {'a': 1.5::double} as struct,
      '{"a": 1}'::json as json, '\\x00\\xff'::blob as bytes, interval 1 day as span, map {'k': 1} as map, null as none,
      'x'::enum('x') as label, uuid '00000000-0000-0000-0000-000000000001' as id, true as yes, 'NaN'::double as nan`);
    expect(rows[0]).toEqual({
      ...{ large: 9007199254740993n, small: 12, decimal: '0.10', day: '2026-02-03', at: '2026-02-03 00:02:03+00' },
      ...{ list: [1, null], struct: { a: 1.5 }, json: '{"a": 1}', bytes: new Uint8Array([0, 255]), span: '1 day' },
      ...{ map: '{"k":1}', none: null, label: 'x', id: '00000000-0000-0000-0000-000000000001', yes: true },
      nan: Number.NaN,
    });
  });
});

describe('an answer', () => {
  test('is kept until something is published, and then at once another one', async () => {
    const other = join(home, 'published');
    await publish(duck, other, 'a', [{ dataset: 'ticket', day: '2026-01-01', query: 'select 1 as id' }]);
    const reader = new Lake({ root: other, home: join(home, 'cache') });
    const sql = 'select count(*) as n from ticket';
    expect(await reader.query(sql)).toMatchObject({ rows: [{ n: 1 }], cached: false });
    expect(await reader.query(sql)).toMatchObject({ rows: [{ n: 1 }], cached: true });
    await publish(duck, other, 'b', [{ dataset: 'ticket', day: '2026-01-02', query: 'select 2 as id' }]);
    expect(await reader.query(sql)).toMatchObject({ rows: [{ n: 2 }], cached: false });
    expect(await reader.query('select random() as r')).toMatchObject({ cached: false });
    expect(await reader.query('select random() as r')).toMatchObject({ cached: false });
    await reader.close();
  });

  test('is cut short at the rows and bytes that are allowed, and says so', async () => {
    const reader = new Lake({ root, home: join(home, 'cache'), maxRows: 10, maxResultMb: 1 });
    const few = await reader.query('select id from ticket order by id');
    expect(few).toMatchObject({ truncated: true });
    expect(few.rows).toHaveLength(10);
    expect(await reader.query('select id from ticket limit 10')).toMatchObject({ truncated: false });
    const large = await reader.query(`select repeat('x', 400000) as x from range(10)`);
    expect(large.truncated).toBe(true);
    await reader.close();
  });

  test('ends when it takes too long, and the lake goes on', async () => {
    const reader = new Lake({ root, home: join(home, 'cache'), timeoutSeconds: 0.2 });
    const endless = reader.query('select count(*) from range(100000000000) a, range(100000) b');
    await expect(endless).rejects.toMatchObject({ code: 'QUERY_FAILED', message: /longer than/ });
    await reader.close();
  });

  test('goes on with the files that it began with when others are published meanwhile', async () => {
    const other = join(home, 'meanwhile');
    const [first] = await publish(duck, other, 'a', [
      { dataset: 'ticket', day: '2026-01-01', query: 'select i as id from range(100000) t(i)' },
    ]);
    const reader = new Lake({ root: other, home: join(home, 'cache') });
    const { batches } = await reader.stream('select id from ticket');
    let read = (await batches.next()).value!.numRows;
    await publish(duck, other, 'b', [{ dataset: 'ticket', day: '2026-01-02', query: 'select 1 as id' }], [first!.path]);
    expect((await reader.query('select count(*) as n from ticket')).rows).toEqual([{ n: 1 }]);
    for await (const batch of batches) read += batch.numRows;
    expect(read).toBe(100_000);
    await reader.close();
  });
});

describe('a query that cannot be answered', () => {
  test('says what is wrong, where, and what there is', async () => {
    expect(explain(await failure('select *\nfrom tickets'))).toBe(
      'There is no dataset "tickets". Did you mean "ticket"? The lake has entity, ticket. Line 2, column 6, near "tickets".',
    );
    const column = await failure(`select id,\n  sttus from ticket -- a comment`);
    expect(column.code).toBe('QUERY_INVALID');
    expect(explain(column)).toMatch(/"sttus" not found.*Candidate bindings: "status".*Line 2, column 3, near "sttus/);
    expect(explain(await failure('select id frm ticket'))).toMatch(/^The query is no SQL: .*Line 1, column 15/);
    const cast = await failure(`select ('a' || id)::int as n from ticket`);
    expect(cast.code).toBe('QUERY_FAILED');
    expect(explain(cast)).toMatch(/Could not convert string 'a\d+' to INT32.*try_cast/);
    expect((await failure('')).code).toBe('QUERY_INVALID');
    expect((await failure('select 1; select 2')).code).toBe('QUERY_INVALID');
  });

  test('tells that there is no lake, and of a file that is missing', async () => {
    const nowhere = new Lake({ root: join(home, 'nowhere'), home: join(home, 'cache') });
    await expect(nowhere.query('select 1')).rejects.toMatchObject({ code: 'LAKE_MISSING' });
    await nowhere.close();
    const other = join(home, 'torn');
    const [file] = await publish(duck, other, 'a', [{ dataset: 'ticket', day: '2026-01-01', query: 'select 1 as id' }]);
    await rm(join(other, file!.path));
    const torn = new Lake({ root: other, home: join(home, 'cache') });
    await expect(torn.query('select * from ticket')).rejects.toMatchObject({
      code: 'LAKE_INVALID',
      hint: /dray lake verify/,
    });
    await torn.close();
  });
});

describe('a hostile query', () => {
  const HOSTILE = [
    `select * from read_csv('/etc/passwd')`,
    `select * from read_text('/etc/passwd')`,
    `select * from read_blob('/etc/*')`,
    `select * from READ_PARQUET('ticket/**/*.parquet')`,
    `select * from parquet_metadata('/etc/passwd')`,
    `select * from glob('/**')`,
    `select * from sniff_csv('/etc/passwd')`,
    `from '/etc/passwd'`,
    `select * from '/etc/passwd'`,
    `select (select content from read_text('/etc/passwd')) as x`,
    `with t as (select * from read_text('/etc/passwd')) select * from t`,
    `select * from ticket where id in (select 1 from read_csv('/etc/passwd'))`,
    `select * from query('select * from read_text(''/etc/passwd'')')`,
    `select * from query_table('/etc/passwd')`,
    `select * from json_execute_serialized_sql('{}')`,
    `select * from duckdb_settings()`,
    `select * from duckdb_secrets()`,
    `select * from information_schema.tables`,
    `select * from duckdb_views`,
    `with duckdb_views as (from duckdb_views) from duckdb_views`,
    `select * from (with sqlite_master as (select 1) from sqlite_master), sqlite_master`,
    `select * from (with pg_views as (select 1) from pg_views), pg_views`,
    `select * from (with "x.csv" as (select 1) from "x.csv"), "x.csv"`,
    `select current_setting('temp_directory')`,
    `select write_log('x')`,
    `select sleep_ms(100000)`,
    `from enable_logging()`,
    `from checkpoint()`,
    `copy (select 1) to '/tmp/x.csv'`,
    `copy ticket to 'x.parquet'`,
    `export database '/tmp/x'`,
    `import database '/tmp/x'`,
    `attach '/tmp/x.db'`,
    `attach ':memory:' as m`,
    `install httpfs`,
    `load httpfs`,
    `set threads = 64`,
    `set enable_external_access = true`,
    `set variable x = 1`,
    `reset threads`,
    `pragma enable_profiling`,
    `pragma database_list`,
    `call pragma_version()`,
    `create table x (i int)`,
    `create view x as select 1`,
    `create macro f() as 1`,
    `create secret (type s3)`,
    `drop view ticket`,
    `insert into ticket values (1)`,
    `update ticket set id = 1`,
    `delete from ticket`,
    `truncate ticket`,
    `alter view ticket rename to x`,
    `use memory`,
    `begin`,
    `prepare p as select 1`,
    `execute p`,
    `explain analyze select 1`,
    `vacuum`,
    `checkpoint`,
    `select 1; drop view ticket`,
  ];

  test.each(HOSTILE)('is refused: %s', async (sql) => {
    expect((await failure(sql)).code).toMatch(/^QUERY_(REFUSED|INVALID)$/);
  });

  test('leaves everything as it was, and the lake at work', async () => {
    const { rows } = await lake.query('select count(*) as n from ticket');
    expect(rows).toEqual([{ n: 1500 }]);
    expect((await lake.query('show tables')).rows).toEqual([{ name: 'entity' }, { name: 'ticket' }]);
  });

  test('would reach nothing outside of the lake even if DuckDB were asked directly', async () => {
    const outside = join(home, `${randomUUID()}.csv`);
    await writeFile(outside, 'secret\n');
    const { Duck } = await import('../../src/duckdb/instance.ts');
    const confined = new Duck({
      memoryMb: 64,
      threads: 1,
      spillDirectory: join(home, 'spill'),
      confinedTo: [`${root}/`],
    });
    const attempts = [
      `select * from read_csv('${outside}')`,
      `select * from read_text('${root}/../${outside.split('/').at(-1)}')`,
      `copy (select 1) to '${home}/x.csv'`,
      `attach '${home}/x.db'`,
      'set enable_external_access = true',
      `set allowed_directories = ['/']`,
      'set lock_configuration = false',
      'load httpfs',
    ];
    for (const sql of attempts) {
      await expect(
        confined.use((connection) => connection.execute(sql)),
        sql,
      ).rejects.toThrow();
    }
    await confined.close();
    expect((await readdir(home)).filter((name) => /^x\./.test(name))).toEqual([]);
    expect(await readFile(outside, 'utf8')).toBe('secret\n');
  });
});
