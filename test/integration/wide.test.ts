import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import type { TestProject } from '../helpers/project.ts';
import { Traps } from '../helpers/traps.ts';

/** Tables of as many columns as there can be, and rows that may be longer than a page. */
let traps: Traps;
let project: TestProject;
let database: TestDatabase;
Traps.use((opened, at) => {
  traps = opened;
  ({ project, database } = at);
});

const INFER = `{ createTable: 'infer' }`;
/** @param value of a column, of the row `i` */
const list = (count: number, value: (column: number) => string) =>
  Array.from({ length: count }, (_, column) => `${value(column)} as c${column}`).join(', ');
const rows = (count: number, columns: string) => `select ${columns} from range(${count}) t(i)`;
const columns = (count: number, type: (column: number) => string) =>
  Array.from({ length: count }, (_, column) => `c${column} ${type(column)}`).join(', ');

async function plan(name: string) {
  const planned = await project.dray(['plan', name, '--json']);
  return { ...JSON.parse(planned.stdout), code: planned.code };
}

test('1,600 columns, as many as a table can have, load and are verified', async () => {
  await traps.prepare('most', {
    rows: rows(
      300,
      list(1600, (column) => `(i + ${column})::float`),
    ),
    target: INFER,
  });
  const run = await project.dray(['run', 'most', '--verify', '--json']);
  expect(run.stderr).not.toContain('Warning');
  expect(JSON.parse(run.stdout)).toMatchObject({
    state: 'succeeded',
    rows: { written: 300, rejected: 0 },
    verification: { ok: true },
  });
  expect(await traps.select('select count(*)::int as n, sum(c0) as first, sum(c1599) as last from most')).toEqual([
    { n: 300, first: 44_850, last: 524_550 },
  ]);
  await expect(
    traps.load('more', {
      rows: rows(
        1,
        list(1601, () => '1'),
      ),
      target: INFER,
    }),
  ).rejects.toMatchObject({
    code: 'TARGET_INVALID',
    message: '1601 columns are more than the 1600 that a table can have',
    hint: expect.stringMatching(/pack.*split/),
  });
});

test('decimals whose digits decide whether a row fits are a warning of plan and run, and rows that do not fit are rejects', async () => {
  // The second row has eight digits in front of the point, the others two.
  const value = () => `if(i = 1, 12345678.9, 12.5)::decimal(15,2)`;
  await traps.prepare('decimals', { rows: rows(5, list(1000, value)), target: INFER });
  const said =
    /^public\.decimals: a row of 1000 columns takes 3024 to 13152 bytes, and a page holds 8160\. Longer rows will be rejected as too_large.*--sample 1.*pack.*split/;
  expect(await plan('decimals')).toMatchObject({ code: 0, warnings: [expect.stringMatching(said)] });
  expect((await project.dray(['plan', 'decimals'])).stdout).toContain('Warning: public.decimals: a row of 1000');
  const run = await project.dray(['run', 'decimals', '--json']);
  expect(run.stderr).toContain('Warning: public.decimals: a row of 1000 columns');
  const report = JSON.parse(run.stdout);
  expect(report.rows).toMatchObject({ written: 4, rejected: 1 });
  expect(await traps.rejects(report)).toMatchObject([{ row: 2, reason: 'too_large' }]);

  const split = `{ createTable: 'infer', key: ['id'], split: true }`;
  const spread = await traps.load('spread', { rows: rows(5, `i as id, ${list(1000, value)}`), target: split });
  expect(spread).toMatchObject({ state: 'succeeded', rows: { read: 10, written: 10 } });
});

test('what a row takes at least is what Postgres says, with the gaps between its columns', async () => {
  const pairs = (column: number) => (column % 2 === 0 ? 'true' : '1::double');
  await traps.prepare('gaps', { rows: rows(1, list(1020, pairs)), target: INFER });
  const refused = traps.again('gaps').catch((error) => error.message);
  const types = columns(1020, (column) => (column % 2 === 0 ? 'boolean' : 'double precision'));
  const values = Array.from({ length: 1020 }, (_, column) => (column % 2 === 0 ? 'true' : '1')).join(', ');
  await database.pool.query(`create table real_gaps (${types})`);
  const theirs = database.pool.query(`insert into real_gaps values (${values})`).catch(({ message }) => message);
  const bytes = /size (\d+), maximum size 8160/.exec(await theirs)![1];
  expect(await refused).toBe(`A row of 1020 columns takes ${bytes} bytes, and a page holds 8160`);
});

test('a table that is there is refused when no row can fit, and warned of when those without nulls do not', async () => {
  const ddl = (name: string, type: string) => `create table ${name} (${columns(1100, () => type)})`;
  const doubles = rows(
    4,
    list(1100, (column) => (column < 500 ? 'i::double' : 'if(i = 3, 1, null)::double')),
  );
  await expect(traps.load('strict', { ddl: ddl('strict', 'float8 not null'), rows: doubles })).rejects.toMatchObject({
    code: 'TARGET_INVALID',
    message: 'A row of 1100 columns takes 8824 bytes, and a page holds 8160',
    hint: expect.stringMatching(/pack.*split/),
  });
  const report = await traps.load('sparse', { ddl: ddl('sparse', 'float8'), rows: doubles });
  expect(report.rows).toMatchObject({ written: 3, rejected: 1 });
  expect(await traps.rejects(report)).toMatchObject([{ row: 4, reason: 'too_large' }]);
  expect((await plan('sparse')).warnings).toEqual([
    expect.stringContaining('a row of 1100 columns takes 8824 bytes when none is null'),
  ]);
});

test('texts that are too short to be kept elsewhere are spread so that each row fits, whatever its texts are', async () => {
  const texts = list(1000, (column) => `if(i = 0, 'x', repeat('${column % 10}', 22 + i::int))`);
  const target = `{ createTable: 'infer', key: ['id'], split: true }`;
  const report = await traps.load('texts', { rows: rows(4, `i as id, ${texts}`), target });
  expect(report).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  expect(await traps.select('select length(c999) as n from texts_3 order by id')).toEqual([
    { n: 1 },
    { n: 23 },
    { n: 24 },
    { n: 25 },
  ]);
});
