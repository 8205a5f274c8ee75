import { rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { patchFooter, thriftNumber } from '../helpers/patch-footer.ts';
import type { TestProject } from '../helpers/project.ts';
import { Traps } from '../helpers/traps.ts';
import type { Workspace } from '../helpers/workspace.ts';

/** Files whose names, columns, dates and footers mislead. */
let traps: Traps;
let project: TestProject;
let database: TestDatabase;
let duck: Workspace['duck'];
Traps.use((opened, at) => {
  traps = opened;
  ({ project, database, duck } = at);
});

const INFER = `{ createTable: 'infer' }`;
const path = (file: string) => join(project.root, file);

/** @param file may have a name that DuckDB would take for a pattern, so the rows get there by another one */
async function parquet(query: string, file: string): Promise<void> {
  await project.write(file, '');
  await writeParquet(duck, query, path('written.parquet'));
  await rename(path('written.parquet'), path(file));
}

test('a name that reads like a pattern names that one file, and one like a key and a value adds nothing', async () => {
  const names = ['a[1]', 'a1', 'b*', 'c?', 'd{1}', "it's", 'h[!a-z]/x', 'month=01/region=NULL/k=%2F', 'ü', '~', '$1'];
  for (const [id, name] of names.entries()) {
    await parquet(`select ${id} as id`, `names/${name}.parquet`);
    await project.write(`names/${name}.jsonl`, `{"id": ${id + 100}}`);
  }
  const report = await traps.load('names', { path: 'names', target: INFER });
  expect(report).toMatchObject({ state: 'succeeded', partitions: { done: names.length * 2 } });
  const wanted = names.flatMap((_, id) => [id, id + 100]).sort((a, b) => a - b);
  expect((await traps.select('select to_jsonb(n) as row from names n order by id')).map(({ row }) => row)).toEqual(
    wanted.map((id) => ({ id })),
  );
});

test('columns are matched by name, whatever their order, and no file decides for the next', async () => {
  await parquet(`select 1 as id, 'one' as name`, 'order/1.parquet');
  await parquet(`select 'two' as name, 2::bigint as id`, 'order/2.parquet');
  await parquet(`select 3000000000::bigint as id, 'three' as name`, 'order/3.parquet');
  await parquet(`select 4 as id, 'four' as name, true as extra`, 'order/4.parquet');
  const report = await traps.load('ordered', { path: 'order', ddl: 'create table ordered (id int, name text)' });
  expect(report).toMatchObject({
    state: 'failed',
    rows: { written: 2, rejected: 1 },
    errors: [{ partition: expect.stringContaining('4.parquet'), code: 'TARGET_INVALID' }],
  });
  expect(await traps.rejects(report)).toMatchObject([{ column: 'id', reason: 'out_of_range' }]);
  expect(await traps.select('select * from ordered order by id')).toEqual([
    { id: 1, name: 'one' },
    { id: 2, name: 'two' },
  ]);
});

test('a column that is called as DuckDB calls the number of a row is told what to do about it', async () => {
  await parquet('select 1 as id, 2 as File_Row_Number', 'numbered.parquet');
  await expect(traps.load('numbered', { target: INFER })).rejects.toMatchObject({
    code: 'SOURCE_INVALID',
    message: expect.stringMatching(/numbered\.parquet has a column called "File_Row_Number".*rename it/),
  });
});

test('columns that differ in capitals only are refused, in one file and between files', async () => {
  await parquet('select 1 as case_a, 2 as case_b', 'capitals.parquet');
  await patchFooter(path('capitals.parquet'), 'case_b', 'CASE_A');
  const capitals = { code: 'SOURCE_INVALID', message: expect.stringContaining('capitals') };
  await expect(traps.load('capitals', { target: INFER })).rejects.toMatchObject(capitals);
  await parquet('select 1 as "Id"', 'between/1.parquet');
  await parquet('select 2 as "ID"', 'between/2.parquet');
  const between = { code: 'TARGET_INVALID', hint: expect.stringContaining('"ID" as "id"') };
  await expect(traps.load('between', { path: 'between', target: INFER })).rejects.toMatchObject(between);
  const ddl = 'create table grown (id int)';
  const grown = { path: 'between/1.parquet', ddl, target: '{ evolve: true }' };
  await expect(traps.load('grown', grown)).rejects.toMatchObject({ code: 'TARGET_INVALID' });
  await traps.load('renamed', { path: 'between', transform: 'select id as id from source', target: INFER });
  expect(await traps.select('select id from renamed order by id')).toEqual([{ id: 1 }, { id: 2 }]);
});

test('a footer that denies its nulls misleads neither the load nor the SQL of a transform', async () => {
  const [nulls, rows] = [77_777, 100_000];
  await parquet(
    `select i::int as id, if(i < ${nulls}, null, 'n' || i) as name from range(${rows}) t(i)`,
    'lies.parquet',
  );
  // As long as before, since a number may be written with more bytes than it needs.
  await patchFooter(path('lies.parquet'), thriftNumber(nulls, 3), thriftNumber(0, 3));
  const lies = { path: 'lies.parquet' };
  await traps.load('plain', { ...lies, ddl: 'create table plain (id int, name text)' });
  expect(await traps.select('select count(*)::int as n, count(name)::int as names from plain')).toEqual([
    { n: rows, names: rows - nulls },
  ]);
  const strict = await traps.load('strict', { ...lies, ddl: 'create table strict (id int, name text not null)' });
  expect(strict.rows).toMatchObject({ written: rows - nulls, rejected: nulls });
  const transform = `select count(name) as names, count(*) filter (name is null) as nulls,
    count(*) filter (coalesce(name, '') = '') as empty from source`;
  await traps.load('asked', { ...lies, transform, target: INFER });
  expect(await traps.select('select names::int, nulls::int, empty::int from asked')).toEqual([
    { names: rows - nulls, nulls, empty: nulls },
  ]);
});

test('a file that comes late with an old date is loaded, and nothing else is loaded again', async () => {
  await parquet('select 1 as id', 'late/b.parquet');
  await traps.prepare('late', { path: 'late', target: INFER });
  const run = async () => JSON.parse((await project.dray(['run', 'late', '--json'])).stdout);
  expect(await run()).toMatchObject({ partitions: { done: 1, skipped: 0 } });
  await parquet('select 2 as id', 'late/a.parquet');
  await utimes(path('late/a.parquet'), new Date('2001-01-01'), new Date('2001-01-01'));
  expect(await run()).toMatchObject({ partitions: { done: 1, skipped: 1 } });
  expect(await traps.select('select id from late order by id')).toEqual([{ id: 1 }, { id: 2 }]);
});

test('a file that is rewritten between plan and load leaves the table as it is, whatever the mode', async () => {
  const held = await database.pool.connect();
  try {
    for (const [name, target] of [
      ['replaced', `{ mode: 'replace' }`],
      ['merged', `{ mode: 'merge', key: ['id'], complete: true }`],
    ] as const) {
      await parquet('select i::int as id from range(10) t(i)', `${name}.parquet`);
      const ddl = `create table ${name} (id int primary key); insert into ${name} values (77)`;
      await traps.prepare(name, { ddl, target });
      // The partition is claimed, and waits for the ledger.
      await held.query('begin; lock table drayage.loads in exclusive mode');
      const running = traps.again(name);
      const claimed = async () => (await traps.select(`select from drayage.partitions where state = 'running'`)).length;
      await expect.poll(claimed, { timeout: 20_000 }).toBe(1);
      await parquet('select i::int as id from range(20) t(i)', `${name}.parquet`);
      await held.query('commit');
      expect(await running).toMatchObject({ state: 'failed', errors: [{ code: 'SOURCE_CHANGED' }] });
      expect(await traps.select(`select id from ${name}`)).toEqual([{ id: 77 }]);
    }
  } finally {
    held.release(true);
  }
});

test('partitions are loaded side by side, two by default', async () => {
  await parquet('select i::int as id from range(4) t(i)', 'beside/1.parquet');
  await parquet('select i::int as id from range(4) t(i)', 'beside/2.parquet');
  // Each load waits until the other one has come, too; a sequence counts across transactions.
  await traps.prepare('beside', {
    path: 'beside',
    ddl: `create table beside (id int);
      create sequence come;
      create function meet() returns trigger language plpgsql as $$ begin
        perform nextval('come');
        for i in 1..1000 loop
          if (select last_value from come) >= 2 then return null; end if;
          perform pg_sleep(0.01);
        end loop;
        raise query_canceled using message = 'alone';
      end $$;
      create trigger meet before insert on beside for each statement execute function meet()`,
  });
  expect(await traps.again('beside')).toMatchObject({ state: 'succeeded', rows: { written: 8, rejected: 0 } });
});
