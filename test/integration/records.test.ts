import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

let database: TestDatabase;
let project: TestProject;

/** A source of a user's own: each line of a file is a record; one that is not JSON comes as a fault. */
const SOURCE = `
import { appendFileSync, readFileSync } from 'node:fs';
import { defineJob, parseJson, table } from 'drayage';

const lines = (root) => readFileSync(root + '/input.txt', 'utf8').split('\\n').filter((line) => line !== '');
const source = () => ({
  description: 'lines',
  async *enumerate({ root }) {
    const content = lines(root).join();
    yield { key: 'all', fingerprint: content, rows: null, bytes: null, file: 'input.txt', shape: '', spec: {} };
  },
  async open(_, { root }) {
    return {
      async *records() {
        appendFileSync(root + '/opened.txt', 'x');
        for (const [index, text] of lines(root).entries()) {
          let value;
          try {
            value = parseJson(text);
          } catch (error) {
            yield { row: index + 1, reason: 'invalid_json', message: error.message, raw: JSON.stringify(text) };
            continue;
          }
          yield { row: index + 1, value, raw: () => text };
        }
      },
      assertUnchanged: async () => undefined,
      close: async () => undefined,
    };
  },
});
const number = 'numeric';
`;

const job = (transform: string, extra = '') => `${SOURCE}
export default defineJob({
  name: 'talks', description: 'Talks', source, ${extra}
  transform: ${transform},
  targets: {
    talks: table({ key: ['id'], mode: 'upsert', columns: { id: 'uuid', title: 'text', n: number } }),
    '"Line"': table({ columns: { talk: 'uuid', body: 'varchar(10)', tags: 'text[]', data: 'jsonb' } }),
  },
});`;

const TRANSFORM = `(record, emit) => {
  if (!record.id) return emit.reject('no_id', 'the record has no id');
  emit.talks({ id: record.id, title: record.title, n: record.n });
  for (const line of record.lines ?? []) emit.Line({ talk: record.id, ...line });
  if (record.odd) emit.warn('it is odd\\0');
}`;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});
beforeEach(async () => {
  await database.pool.query(`drop table if exists "Line", talks; drop schema if exists drayage, pgboss cascade`);
  await database.pool.query(`
    create table talks (id uuid primary key, title text default 'none', n numeric, made timestamptz not null default now());
    create table "Line" (talk uuid references talks, body varchar(10), tags text[], data jsonb)`);
  await project.write('opened.txt', '');
});

const A = '00000000-0000-0000-0000-00000000000a';
const B = '00000000-0000-0000-0000-00000000000b';
const C = '00000000-0000-0000-0000-00000000000c';

async function run(transform: string, lines: readonly unknown[]) {
  await project.write('jobs/talks.ts', job(transform));
  await project.write(
    'input.txt',
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  const finished = await project.dray(['run', 'talks', '--json']);
  if (finished.stdout === '') throw new Error(finished.stderr);
  return JSON.parse(finished.stdout);
}

async function rejects() {
  const { rows } = await database.pool.query(
    'select table_name, row_number, column_name, reason, raw::text from drayage.rejects order by row_number, id',
  );
  return rows.map(({ table_name, row_number, column_name, reason, raw }) => [
    row_number,
    table_name,
    column_name,
    reason,
    raw,
  ]);
}

test('a record fills several tables, is read once, and each that does not fit is known by its number', async () => {
  const long = { id: B, lines: [{ body: 'far too long for it' }, { body: 'fits' }] };
  const report = await run(TRANSFORM, [
    `{"id":"${A}","n":12345678901234567890123456789012345678,"lines":[{"body":"x","tags":["a",null],"data":{"n":9007199254740993}}],"odd":true}`,
    { title: 'nobody' },
    'half a li',
    long,
    { id: 'not a uuid', title: 'x' },
    { id: C, title: 7, lines: [{ body: { no: 'text' } }] },
    { id: C, lines: [{ boody: 'x' }] },
    { id: A, title: 'again' },
  ]);
  expect(report).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: 12, written: 5, superseded: 1, rejected: 6 },
    warnings: [{ partition: 'all', row: 1, message: 'it is odd\ufffd' }],
  });
  expect(await rejects()).toEqual([
    [2, null, null, 'no_id', '{"title":"nobody"}'],
    [3, null, null, 'invalid_json', '"half a li"'],
    [4, 'public."Line"', 'body', 'too_long', JSON.stringify(long)],
    [5, 'public.talks', 'id', 'not_a_uuid', '{"id":"not a uuid","title":"x"}'],
    [6, 'public."Line"', 'body', 'wrong_type', `{"id":"${C}","title":7,"lines":[{"body":{"no":"text"}}]}`],
    [7, null, null, 'transform_failed', `{"id":"${C}","lines":[{"boody":"x"}]}`],
  ]);
  const { rows: talks } = await database.pool.query('select id, title, n::text from talks order by id');
  expect(talks).toEqual([
    { id: A, title: 'again', n: null },
    { id: B, title: null, n: null },
    { id: C, title: '7', n: null },
  ]);
  const { rows: found } = await database.pool.query('select body, tags, data::text from "Line" order by body');
  expect(found).toEqual([
    { body: 'fits', tags: null, data: null },
    { body: 'x', tags: ['a', null], data: '{"n": 9007199254740993}' },
  ]);
});

test('what Postgres refuses is found, and the records are not read for it again', async () => {
  await database.pool.query(`alter table "Line" add check (body <> 'bad')`);
  const report = await run(TRANSFORM, [{ id: A, lines: [{ body: 'good' }, { body: 'bad', tags: ['t'] }] }, { id: B }]);
  expect(report).toMatchObject({ rows: { read: 4, written: 3, rejected: 1 } });
  expect(await rejects()).toEqual([
    [1, 'public."Line"', null, 'check', `{"talk":"${A}","body":"bad","tags":["t"],"data":null}`],
  ]);
  const { length } = await readFile(`${project.root}/opened.txt`);
  // Once to load; the plan opens the partition and reads nothing.
  expect(length).toBe(1);

  const verified = async () => JSON.parse((await project.dray(['verify', '1', '--sample', '10', '--json'])).stdout);
  expect(await verified()).toMatchObject({ ok: true, sample: { different: 0 } });
  await database.pool.query(`update talks set title = 'other' where id = '${B}'`);
  expect(await verified()).toMatchObject({ ok: false, differences: [{ partition: 'all' }] });
});

test('rejected records are loaded after all once the function is mended, and no others', async () => {
  await run(TRANSFORM, [
    { id: A },
    { title: 'nobody', lines: [{ body: 'l1' }, { body: 'l2' }] },
    { id: 'odd', title: 't' },
  ]);
  expect(await rejects()).toHaveLength(2);
  const mended = TRANSFORM.replace(
    `if (!record.id) return emit.reject('no_id', 'the record has no id');`,
    '',
  ).replaceAll('record.id', `(record.id === 'odd' ? '${C}' : record.id ?? '${B}')`);
  await project.write('jobs/talks.ts', job(mended));
  const replayed = JSON.parse((await project.dray(['rejects', '1', '--replay', '--json'])).stdout);
  expect(replayed).toMatchObject({ loaded: 4, rejected: 0 });
  const { rows } = await database.pool.query(
    'select id, (select count(*) from "Line" where talk = id) as lines from talks order by id',
  );
  expect(rows).toEqual([
    { id: A, lines: 0 },
    { id: B, lines: 2 },
    { id: C, lines: 0 },
  ]);
});

test('a row of a record that gave several to a table without a key is not loaded twice', async () => {
  await run(TRANSFORM, [{ id: A, lines: [{ body: 'good' }, { body: 'far too long for it' }] }]);
  const refused = await project.dray(['rejects', '1', '--replay', '--json']);
  expect(refused.code).toBe(2);
  expect(refused.stderr + refused.stdout).toMatch(/several rows for a table that is only appended to/);
  expect(await rejects()).toHaveLength(1);
});

test('a record that throws is a reject; a function that emits too late fails the partition', async () => {
  const report = await run(`async (record, emit) => { await null; record.a.b.c(); }`, [
    { a: 1 },
    { a: { b: { c: 1 } } },
  ]);
  expect(report).toMatchObject({ rows: { read: 2, written: 0, rejected: 2 } });
  expect((await rejects()).map((reject) => reject[3])).toEqual(['transform_failed', 'transform_failed']);

  const late = await run(`(record, emit) => { Promise.resolve().then(() => emit.talks({ id: '${A}' })); }`, [{}, {}]);
  expect(late).toMatchObject({ state: 'failed', errors: [{ code: 'TRANSFORM_FAILED' }] });
});

test('the plan says what does not fit the table', async () => {
  await project.write('input.txt', '{}');
  const refusal = async (text: string) => {
    await project.write('jobs/talks.ts', text);
    const { code, stdout, stderr } = await project.dray(['plan', 'talks']);
    expect(code).toBe(2);
    return stdout + stderr;
  };
  const good = job(TRANSFORM);
  expect(await refusal(good.replace("title: 'text'", "titel: 'text'"))).toMatch(/no column "titel".*"title"/s);
  expect(await refusal(good.replace("title: 'text'", "title: 'integer'"))).toMatch(
    /"title" is text in the table, and integer/,
  );
  expect(await refusal(good.replace(/, columns: \{ id[^}]*\}/, ''))).toMatch(/targets.talks.columns is missing/);
});
