import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SourceContext } from '../../src/model/source.ts';
import { postgres } from '../../src/sources/postgres/index.ts';
import type { PostgresOptions } from '../../src/sources/postgres/options.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openContext, plansOf, readAll, readPlan } from '../helpers/read-source.ts';

let database: TestDatabase;
let opened: Awaited<ReturnType<typeof openContext>>;
let context: SourceContext;

beforeAll(async () => {
  database = await createDatabase();
  const unreachable = 'postgresql://reader:hidden@localhost:1/none';
  opened = await openContext('/', 1e9, { '': database.url, UNREACHABLE_URL: unreachable });
  context = opened.context;
});
afterEach(async () => {
  // Whatever happened, nothing stays behind: no file, and no connection.
  expect(await opened.spooled()).toEqual([]);
  await expect
    .poll(
      async () =>
        (
          await sql(
            `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'dray source'`,
          )
        )[0],
    )
    .toEqual({ count: 0 });
});
afterAll(async () => {
  await opened.close();
  await database.drop();
});

const sql = async (text: string) => (await database.pool.query(text)).rows;
const keys = async (options: PostgresOptions) => (await plansOf(postgres(options), context)).map(({ key }) => key);
const prints = async (options: PostgresOptions) =>
  (await plansOf(postgres(options), context)).map(({ fingerprint }) => fingerprint);
/** By partition. */
const idsOf = async (options: PostgresOptions) => {
  const source = postgres(options);
  const found: number[][] = [];
  for (const plan of await plansOf(source, context)) {
    found.push((await readPlan(source, plan, context, 'select id')).rows.map(({ id }) => Number(id)));
  }
  return found;
};
const ids = async (options: PostgresOptions) => (await idsOf(options)).flat().sort((a, b) => a - b);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('partitions', () => {
  test.each([
    ['bigint', 'i'],
    ['uuid', `md5(i::text)::uuid`],
    ['text', `'it''s ' || i % 2000`],
    ['date', `date '2020-01-01' + i / 10`],
    ['timestamptz', `timestamptz 'epoch' + i * interval '1 minute'`],
    ['numeric(20,4)', 'i / 3.0'],
    ['bytea', `decode(md5(i::text), 'hex')`],
  ])('by ranges of %s hold every row once, about equally', async (type, value) => {
    await sql(`drop table if exists ranged; create table ranged (id int, key ${type});
      insert into ranged select i, ${value} from generate_series(1, 6000) i;
      insert into ranged values (6001, null)`);
    const options = { table: 'ranged', by: 'key', partitionRows: 1000 };
    expect(new Set(await keys(options)).size).toBe(7);
    const found = await idsOf(options);
    expect(Math.max(...found.map(({ length }) => length))).toBeLessThan(1500);
    expect(found.flat().sort((a, b) => a - b)).toEqual(upTo(6001));
  });

  test('are by the primary key when nothing is said, and one without', async () => {
    await sql(
      `create table sized (id int primary key, pad text); insert into sized select i, repeat('x', 300) from generate_series(1, 9000) i`,
    );
    expect((await keys({ table: 'sized', partitionBytes: 1_000_000 })).length).toBeGreaterThan(2);
    expect(await keys({ table: 'sized' })).toEqual(['sized']);
    await sql(`create table heap (id int); insert into heap select generate_series(1, 9000)`);
    expect(await keys({ table: 'heap', partitionRows: 10 })).toEqual(['heap']);
  });

  test('have names that an index takes, however long the values are', async () => {
    await sql(`create table long_keys (url text primary key, id int);
      insert into long_keys select 'https://' || repeat('very-long/', 200) || i, i from generate_series(1, 300) i`);
    const found = await keys({ table: 'long_keys', partitionRows: 100 });
    expect(found).toHaveLength(3);
    expect(new Set(found).size).toBe(3);
    expect(Math.max(...found.map((key) => Buffer.byteLength(key)))).toBeLessThan(300);
    expect(await ids({ table: 'long_keys', partitionRows: 100 })).toEqual(upTo(300));
  });

  test('by days and months hold nulls and infinities, too', async () => {
    await sql(`create table dated (id int, at timestamptz); insert into dated values
      (1, '2024-01-31 23:59:59.999999+00'), (2, '2024-02-01 00:00+00'), (3, '2024-02-29 12:00+00'), (4, null),
      (5, 'infinity'), (6, '-infinity'), (7, '0044-03-15 10:00+00 BC')`);
    expect(await keys({ table: 'dated', by: 'at', every: 'month' })).toEqual([
      'dated#at=-infinity',
      'dated#0044-03-01 00:00:00 BC<=at<0044-04-01 00:00:00 BC',
      'dated#2024-01-01 00:00:00<=at<2024-02-01 00:00:00',
      'dated#2024-02-01 00:00:00<=at<2024-03-01 00:00:00',
      'dated#at=infinity',
      'dated#at=null',
    ]);
    expect(await ids({ table: 'dated', by: 'at', every: 'month' })).toEqual(upTo(7));
    expect(await keys({ table: 'dated', by: 'at', every: 'day' })).toHaveLength(7);
    expect(await ids({ table: 'dated', by: 'at', every: 'day' })).toEqual(upTo(7));
  });

  test('of an empty table, a view, a partitioned table and a query are there', async () => {
    await sql(`create table none (id int primary key, at date);
      create table parted (id int primary key) partition by range (id);
      create table parted_1 partition of parted for values from (0) to (5000);
      create table parted_2 partition of parted for values from (5000) to (90000);
      insert into parted select generate_series(1, 9000);
      create view seen as select id from parted where id <= 10`);
    expect(await keys({ table: 'none' })).toEqual(['none']);
    expect(await keys({ table: 'none', by: 'at', every: 'day' })).toEqual(['none']);
    expect(await ids({ table: 'none' })).toEqual([]);
    expect(await ids({ table: 'seen' })).toEqual(upTo(10));
    expect((await keys({ table: 'parted', partitionRows: 2000 })).length).toBeGreaterThan(3);
    expect(await ids({ table: 'parted', partitionRows: 2000 })).toEqual(upTo(9000));
    expect(await ids({ query: 'select id from seen where id < 3 ;\n' })).toEqual(upTo(2));
    expect(await ids({ query: 'select id from seen where id < 4 -- three' })).toEqual(upTo(3));
  });
});

describe('fingerprints', () => {
  test('stay while nothing changes, and tell which partition has changed', async () => {
    await sql(`create table versioned (id int primary key, note text) with (autovacuum_enabled = off);
      insert into versioned select i, 'note ' || i from generate_series(1, 9000) i`);
    const options = { table: 'versioned', partitionRows: 3000 };
    const first = await prints(options);
    expect(first.length).toBeGreaterThan(2);
    expect(await prints(options)).toEqual(first);
    const changes = async (statement: string) => {
      const before = await prints(options);
      await sql(statement);
      const after = await prints(options);
      return after.filter((print, index) => print !== before[index]).length;
    };
    expect(await changes(`update versioned set note = note where id = 8999`)).toBe(1);
    expect(await changes(`delete from versioned where id = 1`)).toBe(1);
    expect(await changes(`insert into versioned values (1, 'note 1')`)).toBe(1);
    expect(await changes(`analyze versioned; vacuum versioned`.split(';')[0]!)).toBe(0);
    expect(await changes(`alter table versioned add more int default 7`)).toBe(first.length);
  });

  test('of what has no versions are new each time', async () => {
    await sql(`create view unversioned as select 1 as id`);
    for (const options of [
      { table: 'unversioned' },
      { query: 'select 1 as id' },
      { table: 'versioned', unchanged: 'reload' as const },
    ]) {
      expect(await prints(options)).not.toEqual(await prints(options));
    }
  });

  test('guard rows against being missed where they are cut by place', async () => {
    await sql(
      `create table placed (id int) with (autovacuum_enabled = off); insert into placed select generate_series(1, 20000)`,
    );
    const source = postgres({ table: 'placed', by: 'ctid', partitionBytes: 200_000 });
    const plans = await plansOf(source, context);
    expect(plans.length).toBeGreaterThan(2);
    expect(await ids({ table: 'placed', by: 'ctid', partitionBytes: 200_000 })).toEqual(upTo(20_000));
    await sql(`update placed set id = id where id = 1`);
    await expect(readPlan(source, plans[0]!, context)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect((await readPlan(source, plans[1]!, context)).rows.length).toBeGreaterThan(1000);
  });
});

describe('what goes wrong', () => {
  test.each([
    [{ table: 'missing' }, 'SOURCE_MISSING', /no table or view missing/],
    [{ table: 'nowhere.missing' }, 'SOURCE_MISSING', /no table or view nowhere.missing/],
    [{ query: 'select *\nfrom missing' }, 'SOURCE_MISSING', /"missing" does not exist, line 2, column 6 of the query/],
    [{ query: 'select id,\n  nothing\nfrom heap' }, 'SOURCE_MISSING', /line 2, column 3/],
    [{ query: 'selec 1' }, 'SOURCE_INVALID', /syntax error at or near "1", line 1, column 7/],
    [{ query: 'select 1; drop table heap' }, 'SOURCE_INVALID', /syntax error at or near ";"/],
    [{ query: 'select 1 as a, 2 as a' }, 'SOURCE_INVALID', /both called "a"/],
    [{ query: 'select 1 as a, 2 as "A"' }, 'SOURCE_INVALID', /differ in capitals only/],
    [{ query: `select nextval('counter')` }, 'SOURCE_INVALID', /read-only transaction/],
    [{ query: 'select id from heap', asText: ['idd'] }, 'SOURCE_MISSING', /no such column/],
    [{ table: 'heap', by: 'idd' }, 'SOURCE_MISSING', /no such column/],
    [{ table: 'heap', by: 'id', every: 'day' as const }, 'SOURCE_INVALID', /cannot be cut by the days/],
    [{ table: 'heap', database: 'UNREACHABLE_URL' }, 'DATABASE_UNREACHABLE', /localhost:1\/none/],
  ])('%j is refused with %s', async (options: PostgresOptions, code, message) => {
    await sql(`create sequence if not exists counter; create table if not exists heap (id int)`);
    const source = postgres(options);
    const reading = plansOf(source, context).then((plans) => readPlan(source, plans[0]!, context));
    const error = await reading.catch((thrown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(`${error.message} ${error.hint}`).not.toContain('hidden');
    if (code === 'DATABASE_UNREACHABLE') expect(error.hint).toContain('UNREACHABLE_URL');
  });

  test.each([
    [{}, /table or a query/],
    [{ table: 'a', query: 'b' }, /not both/],
    [{ table: 'a', databse: 'X' }, /Did you mean "database"/],
    [{ table: 'a', database: 'postgresql://me:secret@host/db' }, /name the variable/],
    [{ table: 'a', every: 'week' }, /day, month, year/],
    [{ table: 'a', every: 'day' }, /column of the dates/],
    [{ query: 'a', by: 'id' }, /one partition/],
    [{ table: 'a', partitionRows: 0 }, /at least 1/],
  ])('options %j are refused', (options, message) => {
    expect(() => postgres(options as PostgresOptions)).toThrow(message);
  });

  test('a role without rights is told what it needs', async () => {
    await sql(`create table closed (id int); create role outsider login password 'outsider'`);
    const url = new URL(database.url);
    url.username = 'outsider';
    url.password = 'outsider';
    const denied = { ...context, databaseUrl: () => url.href };
    try {
      await expect(plansOf(postgres({ table: 'closed' }), denied)).rejects.toMatchObject({
        code: 'STORE_DENIED',
        hint: expect.stringContaining('select on the table'),
      });
    } finally {
      await sql(`drop role outsider`);
    }
  });

  test('a table that is dropped or altered after the plan is named as changed', async () => {
    await sql(`create table fleeting (id int); insert into fleeting values (1)`);
    const source = postgres({ table: 'fleeting' });
    const [plan] = await plansOf(source, context);
    await sql(`alter table fleeting add more text`);
    await expect(readPlan(source, plan!, context)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await sql(`drop table fleeting`);
    await expect(readPlan(source, plan!, context)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('a connection that is cut half-way may be tried again', async () => {
    const source = postgres({ query: 'select i, pg_sleep(0.01) from generate_series(1, 100000) i' });
    const [plan] = await plansOf(source, context);
    const reading = readPlan(source, plan!, context).catch((error) => error);
    await expect
      .poll(() =>
        sql(`select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and application_name = 'dray source' and query like 'copy%' and state = 'active'`),
      )
      .toEqual([{ count: 1 }]);
    expect(await reading).toMatchObject({ code: 'DATABASE_FAILED', transient: true });
  });

  test('a reading that is cancelled ends, and its statement with it', async () => {
    const source = postgres({
      query: `select i, repeat('x', 10000) as pad, pg_sleep(0.001) from generate_series(1, 1000000) i`,
    });
    const [plan] = await plansOf(source, context);
    const cancel = new AbortController();
    const reading = readPlan(source, plan!, { ...context, signal: cancel.signal }).catch((error) => error);
    await expect
      .poll(() =>
        sql(
          `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'dray source' and query like 'copy%'`,
        ),
      )
      .toEqual([{ count: 1 }]);
    cancel.abort();
    expect(await reading).toMatchObject({ code: 'INTERRUPTED' });
  });

  test.each([
    [`select 'NaN'::numeric(9,2) as c`, /NaN/],
    [`select '294270-01-01'::timestamp as c`, /year 294246/],
    [`select '{{1,2},{3,4}}'::int[] as c`, /array of 2 dimensions/],
    [`select '[0:1]={1,2}'::int[] as c`, /begins at 0/],
  ])('%s names row and column, and can be read as text', async (query, message) => {
    await expect(readAll(postgres({ query }), context)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(message),
      where: { column: 'c', row: 1 },
      hint: expect.stringContaining('asText'),
    });
    const [row] = await readAll(postgres({ query, asText: ['c'] }), context);
    expect(row).toEqual({ c: /'([^']*)'/.exec(query)![1]!.replace('294270-01-01', '294270-01-01 00:00:00') });
  });
});
