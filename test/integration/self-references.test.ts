import { expect, test } from 'vitest';
import { Traps } from '../helpers/traps.ts';

/** Rows that refer to others of the same table, which may come behind them, and a few that cannot be loaded. */
let traps: Traps;
Traps.use((opened) => {
  traps = opened;
});

/** More than are tried at once. */
const ROWS = 20_000;
const table = (name: string) =>
  `create table ${name} (id int primary key, boss int references ${name}, v int check (v > 0))`;
const reasons = async (run: number) =>
  traps.select(`select reason, min(row_number)::int as first, count(*)::int as rows from drayage.rejects
    where run_id = ${run} group by reason order by reason`);

test('of a tree in no order only the bad rows are rejected, and those below them', async () => {
  const [bad, orphan] = [7919, 500];
  const report = await traps.load('tree', {
    ddl: table('tree'),
    rows: `select id, if(id = 0, null, if(id = ${orphan}, -1, id // 2))::int as boss, if(id = ${bad}, 0, 1) as v
      from (select (i * 7919 % ${ROWS})::int as id from range(${ROWS}) t(i))`,
  });
  const isBelow = (id: number, top: number): boolean => id === top || (id > top && isBelow(id >> 1, top));
  const lost = Array.from({ length: ROWS }, (_, id) => id).filter((id) => isBelow(id, bad) || isBelow(id, orphan));
  expect(report.rows).toMatchObject({ read: ROWS, written: ROWS - lost.length, rejected: lost.length });
  const rejected = await traps.select(
    `select (raw->>'id')::int as id, reason from drayage.rejects where run_id = ${report.run} order by 1`,
  );
  expect(rejected).toEqual(lost.map((id) => ({ id, reason: id === bad ? 'check' : 'foreign_key' })));
});

test('in a chain that is told from its end, those behind a bad row are rejected with it, and no others', async () => {
  const report = await traps.load('chain', {
    ddl: table('chain'),
    rows: `select i::int as id, if(i = ${ROWS - 1}, null, i + 1)::int as boss, if(i = 7, -1, 1)::int as v from range(${ROWS}) t(i)`,
  });
  expect(report.rows).toMatchObject({ read: ROWS, written: ROWS - 8, rejected: 8 });
  expect(await reasons(report.run)).toEqual([
    { reason: 'check', first: 8, rows: 1 },
    { reason: 'foreign_key', first: 1, rows: 7 },
  ]);
});

test('the last of several rows with a key wins also when the first has to wait', async () => {
  const report = await traps.load('staff', {
    ddl: `${table('staff')}; insert into staff values (1, null, 1)`,
    rows: `select * from (
        select 0 as place, 2 as id, null as boss, -1 as v union all select 1, 1, ${ROWS}, 5
        union all select i + 2, i + 2, null, 2 from range(1, ${ROWS}) t(i) union all select ${2 * ROWS}, 1, null, 9
      ) order by place`,
    transform: 'select id::int as id, boss::int as boss, v::int as v from source',
    target: `{ mode: 'upsert', key: ['id'] }`,
  });
  expect(report.rows).toMatchObject({ read: ROWS + 2, rejected: 1 });
  expect(await traps.select('select boss, v from staff where id = 1')).toEqual([{ boss: null, v: 9 }]);
});
