import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { replayRejects } from '../../src/runs/replay.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';
import type { TestProject } from '../helpers/project.ts';

let project: TestProject;
let database: TestDatabase;
let drayage: Workshop['drayage'];

const duck = useDrayage((opened) => {
  ({ project, database, drayage } = opened);
});

async function select(query: string) {
  return (await database.pool.query(query)).rows;
}

/** A table in which no amount may be above 100, nor can be above 32,767, and a job that fills it from a file by name. */
async function prepare(name: string, target: string) {
  await database.pool.query(
    `create table ${name} (id int primary key, amount smallint, constraint ${name}_amount check (amount <= 100))`,
  );
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Test', params: { path: { type: 'string' } },
       source: ({ path }) => files(path), targets: { ${name}: table(${target}) },
     });`,
  );
  const mend = () => database.pool.query(`alter table ${name} drop constraint ${name}_amount, alter amount type int`);
  const load = async (file: string, rows: string) => {
    await writeParquet(duck, `select * from (values ${rows}) v(id, amount)`, `${project.root}/${name}-${file}.parquet`);
    return (await drayage.run(name, { path: `${name}-${file}.parquet` }, false)).run;
  };
  const rows = async () =>
    Object.fromEntries((await select(`select * from ${name}`)).map((row) => [row.id, row.amount]));
  return { mend, load, rows };
}

const replay = (run: number, force = false) =>
  replayRejects(drayage.services, run, { force }, new AbortController().signal);

const verify = async (run: number) =>
  JSON.parse((await project.dray(['verify', String(run), '--json'], { DATABASE_URL: database.url })).stdout);

const numbersLeft = async (run: number) =>
  (await select(`select row_number::int as row from drayage.rejects where run_id = ${run} order by 1`)).map(
    ({ row }) => row,
  );

test('a replay leaves rows alone that a later run may have brought; --force does not', async () => {
  const { mend, load, rows } = await prepare('stocks', `{ mode: 'upsert', key: ['id'] }`);
  await load('before', '(1, 10), (2, 20)');
  const run = await load('first', '(1, 101), (2, 102), (3, 103), (4, 4)');
  expect(await numbersLeft(run)).toEqual([1, 2, 3]);
  await load('second', '(1, 11), (4, 44)');
  await mend();
  expect(await replay(run)).toEqual({ run, loaded: 1, left_out: 0, newer: 2, rejected: 2, unnumbered: 0 });
  expect(await rows()).toEqual({ 1: 11, 2: 20, 3: 103, 4: 44 });
  expect(await numbersLeft(run)).toEqual([1, 2]);
  const told = await project.dray(['rejects', String(run), '--replay']);
  expect(told).toMatchObject({ code: 1, stdout: expect.stringMatching(/2 rows were left alone.*--replay --force/s) });
  const forced = await project.dray(['rejects', String(run), '--replay', '--force', '--json']);
  expect(JSON.parse(forced.stdout)).toMatchObject({ loaded: 2, newer: 0, rejected: 0 });
  expect(await rows()).toEqual({ 1: 101, 2: 102, 3: 103, 4: 44 });
});

test('a replay replaces what was there before its run, as the run would have', async () => {
  const { mend, load, rows } = await prepare('prices', `{ mode: 'upsert', key: ['id'] }`);
  await load('before', '(1, 10)');
  const run = await load('first', '(1, 101), (2, 2)');
  await mend();
  expect(await replay(run)).toMatchObject({ loaded: 1, newer: 0, rejected: 0 });
  expect(await rows()).toEqual({ 1: 101, 2: 2 });
});

test('of rows with the same key in a partition the last one wins after a replay, too', async () => {
  const { mend, load, rows } = await prepare('levels', `{ mode: 'upsert', key: ['id'] }`);
  const run = await load('first', '(1, 40001), (1, 1), (2, 2), (2, 40002), (3, 40003), (3, 40004)');
  expect(await numbersLeft(run)).toEqual([1, 4, 5, 6]);
  await mend();
  expect(await replay(run)).toMatchObject({ loaded: 3, newer: 1, rejected: 1 });
  expect(await rows()).toEqual({ 1: 1, 2: 40_002, 3: 40_004 });
  expect(await numbersLeft(run)).toEqual([1]);
});

test('a table that was replaced, or merged into, since is not given rows of an older state of the source', async () => {
  for (const mode of ['replace', 'merge']) {
    const { mend, load, rows } = await prepare(
      `${mode}d`,
      mode === 'merge' ? `{ mode: 'merge', key: ['id'], complete: true }` : `{ mode: 'replace' }`,
    );
    const run = await load('first', '(1, 101), (2, 2)');
    const later = await load('second', '(3, 3)');
    await mend();
    await expect(replay(run)).rejects.toMatchObject({
      code: 'REPLAY_REFUSED',
      message: expect.stringContaining(mode === 'merge' ? `run ${later}` : 'not the one'),
      hint: expect.stringContaining('--force'),
    });
    expect(await rows()).toEqual({ 3: 3 });
    expect(await replay(run, true)).toMatchObject({ loaded: 1, rejected: 0 });
    expect(await rows()).toEqual({ 1: 101, 3: 3 });
  }
});

test('the rejects of a run that has replaced its table are loaded into the table that it has put in place', async () => {
  const { mend, load, rows } = await prepare('swapped', `{ mode: 'replace' }`);
  const run = await load('first', '(1, 101), (2, 2), (3, 103)');
  expect(await rows()).toEqual({ 2: 2 });
  const ended = await select(`select 'succeeded' as state, finished_at from drayage.runs where id = ${run}`);
  await mend();
  expect(await replay(run)).toMatchObject({ loaded: 2, newer: 0, rejected: 0 });
  expect(await rows()).toEqual({ 1: 101, 2: 2, 3: 103 });
  expect(await select(`select state, finished_at from drayage.runs where id = ${run}`)).toEqual(ended);
});

test('rows whose content a later run has loaded again are that run’s to replay', async () => {
  const { mend, load } = await prepare('again', `{ mode: 'upsert', key: ['id'] }`);
  const run = await load('first', '(1, 101), (2, 2)');
  const { run: later } = await drayage.run('again', { path: 'again-first.parquet' }, true);
  await mend();
  await expect(replay(run)).rejects.toMatchObject({
    code: 'REPLAY_REFUSED',
    message: `Run ${later} has loaded the same again since`,
  });
  expect(await replay(later)).toMatchObject({ loaded: 1, rejected: 0 });
});

test('what is the same key is for the index to say: nulls that are equal, rows that it is not about', async () => {
  await database.pool.query(`
    create table slots (a int, b int, v smallint, unique nulls not distinct (a, b));
    create table mails (name text, gone date, v smallint);
    create unique index on mails (name) where gone is null`);
  const load = async (table: string, key: string, file: string, rows: string) => {
    await writeParquet(duck, rows, `${project.root}/${file}`);
    await project.write(
      `jobs/${table}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${table}', description: 'Test', params: { path: { type: 'string' } }, source: ({ path }) => files(path),
         targets: { ${table}: table({ mode: 'upsert', key: ${key} }) },
       });`,
    );
    return (await drayage.run(table, { path: file }, false)).run;
  };
  const slots = (values: string, file: string) =>
    load('slots', `['a', 'b']`, file, `select * from (values ${values}) v(a, b, v)`);
  const run = await slots('(1, null, 40001), (2, null, 40002), (null, null, 40003), (4, 4, 40004)', 'slots-1.parquet');
  await slots('(1, null, 1), (null, null, 3), (5, null, 5)', 'slots-2.parquet');
  const mails = (values: string, file: string) =>
    load('mails', `['name']`, file, `select * from (values ${values}) v(name, gone, v)`);
  const sent = await mails(
    `('a', null, 40001), ('b', date '2024-01-01', 40002), ('c', null, 40003)`,
    'mails-1.parquet',
  );
  await mails(`('a', null, 1), ('b', null, 2), ('c', date '2024-01-01', 3)`, 'mails-2.parquet');
  await database.pool.query('alter table slots alter v type int; alter table mails alter v type int');
  expect(await replay(run)).toMatchObject({ loaded: 2, newer: 2, rejected: 2 });
  expect(await numbersLeft(run)).toEqual([1, 3]);
  expect(await replay(sent)).toMatchObject({ loaded: 2, newer: 1, rejected: 1 });
  expect(await select('select name, v from mails order by v')).toEqual([
    { name: 'a', v: 1 },
    { name: 'b', v: 2 },
    { name: 'c', v: 3 },
    { name: 'b', v: 40_002 },
    { name: 'c', v: 40_003 },
  ]);
});

test('a replay fills what is missing in each part of a split table, and packs what was packed', async () => {
  await database.pool.query(`
    create table parts (id int primary key, a smallint);
    create table parts_2 (id int primary key, b smallint);
    create table packed (id int primary key, a smallint, rest jsonb)`);
  const rows = `select * from (values (1, 1, 40001, 'x'), (2, 40002, 2, 'y'), (3, 3, 3, 'z')) v(id, a, b, c)`;
  await writeParquet(duck, rows, `${project.root}/spread.parquet`);
  const job = (name: string, select: string, target: string) =>
    project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, sql, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Test', source: () => files('spread.parquet'),
         transform: sql\`select ${select} from source\`, targets: { ${name}: table(${target}) },
       });`,
    );
  await job('parts', 'id, a, b', `{ key: ['id'], split: true }`);
  await job('packed', '*', `{ pack: { into: 'rest', as: 'jsonb' } }`);
  const [split, packed] = [await drayage.run('parts', {}), await drayage.run('packed', {})];
  expect([split.rows, packed.rows]).toMatchObject([
    { read: 6, written: 4, rejected: 2 },
    { read: 3, written: 2, rejected: 1 },
  ]);
  await database.pool.query(
    `alter table parts alter a type int; alter table parts_2 alter b type int; alter table packed alter a type int`,
  );
  for (const { run, rows: counts } of [split, packed]) {
    expect(await replay(run)).toMatchObject({ loaded: counts.rejected, rejected: 0 });
  }
  expect(await select('select * from parts join parts_2 using (id) order by id')).toEqual([
    { id: 1, a: 1, b: 40_001 },
    { id: 2, a: 40_002, b: 2 },
    { id: 3, a: 3, b: 3 },
  ]);
  expect(await select('select * from packed where a = 40002')).toEqual([{ id: 2, a: 40_002, rest: { b: 2, c: 'y' } }]);
  for (const { run } of [split, packed]) expect(await verify(run)).toMatchObject({ ok: true });
});

test('a record of which a later run may have brought a row is left alone', async () => {
  await database.pool.query('create table talks (id int primary key, title varchar(5))');
  await project.write(
    'jobs/talks.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'talks', description: 'Test', params: { path: { type: 'string' } }, source: ({ path }) => files(path),
       transform: (row, emit) => emit.talks(row),
       targets: { talks: table({ mode: 'upsert', key: ['id'], columns: { id: 'integer', title: 'character varying(5)' } }) },
     });`,
  );
  const load = async (path: string, lines: string) => {
    await project.write(path, lines);
    return (await drayage.run('talks', { path }, false)).run;
  };
  const first = await load('a.jsonl', '{"id": 1, "title": "too long"}\n{"id": 2, "title": "as long"}');
  await load('b.jsonl', '{"id": 1, "title": "short"}');
  await database.pool.query('alter table talks alter title type text');
  const mended = (await readFile(`${project.root}/jobs/talks.ts`, 'utf8')).replace('character varying(5)', 'text');
  await project.write('jobs/talks.ts', mended);
  expect(await replay(first)).toMatchObject({ loaded: 1, newer: 1, rejected: 1 });
  expect(await select('select title from talks order by id')).toEqual([{ title: 'short' }, { title: 'as long' }]);
});
