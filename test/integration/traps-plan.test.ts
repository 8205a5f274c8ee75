import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import type { TestProject } from '../helpers/project.ts';
import { Traps } from '../helpers/traps.ts';
import type { Workspace } from '../helpers/workspace.ts';

/** What a plan says before, and what can be done after. */
let traps: Traps;
let project: TestProject;
let database: TestDatabase;
let duck: Workspace['duck'];
Traps.use((opened, at) => {
  traps = opened;
  ({ project, database, duck } = at);
});

const plan = async (name: string) => JSON.parse((await project.dray(['plan', name, '--json'])).stdout);

test('a plan says what evolve adds and what a narrower column will reject, and refuses what would lose', async () => {
  await traps.prepare('narrow', {
    ddl: 'create table narrow (id int, price numeric(4,1), gone text)',
    rows: `select 3000000000::bigint as id, 1.5::decimal(10,1) as price, date '2024-01-01' as day`,
    target: '{ evolve: true }',
  });
  const told = await plan('narrow');
  const note = 'values that do not fit are rejected';
  expect(told.mappings[0]).toEqual([
    expect.objectContaining({ column: 'id', arrow: 'int64', postgres: 'integer', note }),
    expect.objectContaining({ column: 'price', arrow: 'decimal(10,1)', postgres: 'numeric(4,1)', note }),
    expect.objectContaining({ column: 'day', postgres: 'date', note: '' }),
  ]);
  const columns = `select attname as name from pg_attribute where attrelid = 'narrow'::regclass and attnum > 0`;
  expect(await traps.select(columns)).toHaveLength(3);
  expect((await traps.again('narrow')).rows).toMatchObject({ written: 0, rejected: 1 });
  expect(await traps.select(columns)).toHaveLength(4);
  const refused = { ddl: 'create table refused (id int)', rows: `select 'x' as id`, target: '{ evolve: true }' };
  await traps.prepare('refused', refused);
  expect((await plan('refused')).partitions[0].problem).toMatch(/utf8 cannot go into integer/);
});

test('a plan of a table that evolves waits for nobody, and lets nobody wait', async () => {
  const client = await database.pool.connect();
  try {
    await traps.prepare('busy', {
      ddl: 'create table busy (id int); insert into busy values (1)',
      rows: 'select 2 as id, 3 as extra',
      target: '{ evolve: true }',
    });
    await client.query('begin; select * from busy; insert into busy values (2)');
    expect((await plan('busy')).mappings[0]).toMatchObject([{ column: 'id' }, { column: 'extra' }]);
  } finally {
    client.release(true);
  }
});

test('columns that a split table lacks go to the last of its parts, and none that another part has', async () => {
  const target = `{ createTable: 'infer', key: ['id'], split: true, evolve: true }`;
  const wide = Array.from({ length: 520 }, (_, index) => `null::uuid as c${index}`).join(', ');
  await traps.load('parts', { rows: `select 1 as id, ${wide}`, target });
  await writeParquet(duck, `select 2 as id, 'new' as extra`, `${project.root}/parts.parquet`);
  expect(await traps.again('parts')).toMatchObject({ state: 'succeeded' });
  const found = `select attrelid::regclass::text as part from pg_attribute where attname in ('extra', 'c519')`;
  expect(await traps.select(found)).toEqual([{ part: 'parts_2' }, { part: 'parts_2' }]);
});

test('a reject of a transform that keeps no rows apart has no number, and a replay says that it cannot be found', async () => {
  const report = await traps.load('grouped', {
    ddl: 'create table grouped (kind int, total smallint)',
    rows: 'select i % 3 as kind, if(i % 3 = 1, 40000, 1)::int as total from range(9) t(i)',
    transform: 'select kind::int as kind, sum(total)::int as total from source group by kind',
  });
  expect(report.rows).toMatchObject({ read: 3, written: 2, rejected: 1 });
  expect(await traps.rejects(report)).toMatchObject([{ row: null, reason: 'out_of_range', raw: { kind: 1 } }]);
  const replayed = await project.dray(['rejects', String(report.run), '--replay']);
  expect(replayed).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/1 row cannot be found again.*keep rows apart/),
  });
});

test('a deferred constraint is checked with the load, and its row is the reject', async () => {
  const report = await traps.load('deferred', {
    ddl: `create table deferred (id int primary key, parent int references deferred deferrable initially deferred,
      rank int, unique (rank) deferrable initially deferred)`,
    rows: 'select * from (values (1, 2, 1), (2, null, 2), (3, 77, 3), (4, 1, 1)) v(id, parent, rank)',
  });
  expect((await traps.rejects(report)).map(({ row, reason }) => ({ row, reason }))).toEqual([
    { row: 3, reason: 'foreign_key' },
    { row: 4, reason: 'not_unique' },
  ]);
  expect(await traps.select('select id from deferred order by id')).toEqual([{ id: 1 }, { id: 2 }]);
});
