import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Verification } from '../../src/runs/verify/report.ts';
import { verifyRun } from '../../src/runs/verify/verify.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { type Literal, PAIRS, type Pair, TYPES } from '../helpers/pairs.ts';
import { TestProject } from '../helpers/project.ts';
import { cases } from '../helpers/property.ts';
import { LEGAL } from '../helpers/text-values/legal.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query(TYPES);
  project = await TestProject.create(database.url);
  drayage = await openDrayage(project.root, database.url);
});
afterAll(async () => {
  await drayage.close();
  await duck.close();
  await project.remove();
  await database.drop();
});

const verify = (run: number, sample = 0): Promise<Verification> =>
  verifyRun(drayage.services, run, { sample, signal: new AbortController().signal });

/** A job with the given target and transform; its DDL has the table's name. */
async function job(name: string, ddl: string, target: string, transform = 'select * from source') {
  await project.write(`sql/targets/${name}.sql`, ddl);
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${name}', description: 'Verified', params: { path: { type: 'string' } }, source: ({ path }) => files(path),
       transform: sql\`${transform}\`,
       targets: { ${name}: table({ ddl: '${name}.sql', ${target} }) },
     });`,
  );
}

const parquet = (file: string, query: string) => writeParquet(duck, query, `${project.root}/${file}`, 2048);
const query = async (sql: string) => (await database.pool.query(sql)).rows;

/** Infinite intervals are rejects where they come as text. */
const isLoaded = (postgres: string, text: string) => postgres !== 'interval' || !text.includes('infinity');

/** A column for each pair of types, and for each type that is only loaded from text. */
const COLUMNS: readonly Pair[] = [
  ...PAIRS,
  ...Object.entries(LEGAL).map(([postgres, { byHand }]) => {
    const texts = byHand.filter((text) => isLoaded(postgres, text));
    return { duckdb: 'varchar', postgres, value: fc.constantFrom(...texts) };
  }),
];

test('of 100 changes to single values of all types none is missed, and each is named by row and column', async () => {
  const { seed } = cases(100);
  const some = fc.sample(fc.tuple(...COLUMNS.map(({ value }) => fc.option(value, { freq: 12, nil: null }))), {
    numRuns: 59,
    seed,
  });
  // A column in which all were the same could not be changed.
  const rows = [COLUMNS.map(() => null), ...some];
  const literal = (value: Literal | null) => {
    const text = typeof value === 'string' ? value : value?.duckdb;
    return text === undefined ? 'null' : `'${text.replaceAll("'", "''")}'`;
  };
  const names = COLUMNS.map((_, index) => `c${index}`);
  const values = rows.map((row, id) => `(${id}, ${row.map(literal).join(', ')})`).join(', ');
  await parquet(
    'types.parquet',
    `select id::int as id, ${names.map((name) => `${name}::varchar as ${name}`).join(', ')}
     from (values ${values}) v(id, ${names.join(', ')})`,
  );
  const types = COLUMNS.map(({ postgres }, index) => `c${index} ${postgres}`).join(', ');
  const casts = COLUMNS.map(({ duckdb }, index) => `c${index}::${duckdb} as c${index}`).join(', ');
  await job(
    'types',
    `create table types (id int primary key, ${types})`,
    `mode: 'upsert', key: ['id']`,
    `select id, ${casts} from source`,
  );
  const { run, checksum } = await drayage.run('types', { path: 'types.parquet' });
  expect(await verify(run, 5)).toMatchObject({
    ok: true,
    method: 'whole',
    checksum: { source: checksum, target: checksum },
    sample: { checked: 5, different: 0 },
  });

  await query('create table truth as select * from types');
  const random = fc.sample(fc.tuple(fc.nat(59), fc.nat(59), fc.nat(COLUMNS.length - 1)), { numRuns: 2000, seed });
  // Every column has its turn.
  const turns = [...COLUMNS.keys()];
  let changes = 0;
  while (changes < 100 || turns.length > 0) {
    // Ten at a time, each in a row of its own.
    const changed = new Map<number, string>();
    while (changed.size < 10) {
      const [id, other, any] = random.pop()!;
      if (changed.has(id)) continue;
      const column = turns.at(-1) ?? any;
      // The value of another row, or none: whatever is not the same to the last bit.
      const done = await query(
        `update types t set c${column} = o.c${column} from truth o
         where t.id = ${id} and o.id = ${other} and row(t.c${column})::record operator(pg_catalog.*<>) row(o.c${column})::record
         returning t.id`,
      );
      if (done.length === 0) continue;
      changed.set(id, `c${column}`);
      turns.pop();
    }
    const found = await verify(run);
    expect(found).toMatchObject({
      ok: false,
      method: 'keys',
      partitions: [{ partition: 'types.parquet#rows=1-60', missing: 0, different: 10 }],
    });
    const told = found.differences.map(({ key, fields }) => [key.id, fields.map(({ column }) => column).join()]);
    expect(new Map(told as [number, string][])).toEqual(changed);
    changes += changed.size;
    await query(`delete from types; insert into types select * from truth`);
  }
  expect(changes).toBeGreaterThanOrEqual(100);
  expect(await verify(run)).toMatchObject({ ok: true });
}, 120_000);

test('what is equal to the eye and not to the last bit is a difference too', async () => {
  await parquet(
    'bits.parquet',
    `select 1 as id, 0::double as f, '{"a": 1.0}'::json as j, '1.50' as n, 'a' as c, timestamp '2024-01-01 00:00:00.000001' as t`,
  );
  const ddl = 'create table bits (id int primary key, f float8, j jsonb, n numeric, c text, t timestamp)';
  await job('bits', ddl, `mode: 'upsert', key: ['id']`);
  const { run } = await drayage.run('bits', { path: 'bits.parquet' });
  for (const [column, value] of [
    ['f', `'-0'`],
    ['j', `'{"a": 1.00}'`],
    ['n', `'1.5'`],
    ['c', `'a '`],
    ['t', `'2024-01-01 00:00:00.000002'`],
  ]) {
    await query(`update bits set ${column} = ${value}`);
    const { ok, differences } = await verify(run);
    expect({ ok, differences }).toMatchObject({ ok: false, differences: [{ fields: [{ column }] }] });
    await drayage.run('bits', { path: 'bits.parquet' });
  }
});

describe('with other rows in the table', () => {
  const ddl = (name: string) => `create table ${name} (id bigint primary key, note text)`;
  const rows = (from: number, to: number, note = 'n') =>
    `select i as id, '${note}' || i as note from range(${from}, ${to}) t(i)`;

  test('those of other loads are added up with the ledger, also for a run that found everything loaded', async () => {
    await job('shared', ddl('shared'), '');
    await parquet('a.parquet', rows(0, 5000));
    await parquet('b.parquet', rows(5000, 9000));
    const first = await drayage.run('shared', { path: 'a.parquet' });
    expect(await verify(first.run)).toMatchObject({ ok: true, method: 'whole' });
    const second = await drayage.run('shared', { path: 'b.parquet' });
    for (const { run } of [first, second]) expect(await verify(run)).toMatchObject({ ok: true, method: 'ledger' });
    const skipped = await drayage.run('shared', { path: 'a.parquet' }, false);
    expect(skipped.partitions).toMatchObject({ skipped: 1, done: 0 });
    expect(await verify(skipped.run, 3)).toMatchObject({ ok: true, method: 'ledger', sample: { checked: 3 } });
    await query('delete from shared where id = 42');
    expect(await verify(skipped.run)).toMatchObject({
      ok: false,
      partitions: [{ partition: 'a.parquet#rows=1-5000', missing: 1, different: 0 }],
      differences: [{ kind: 'missing', key: { id: 42 } }],
    });
    expect(await verify(second.run)).toMatchObject({ ok: true, method: 'keys' });
  });

  test('those of nobody do not matter, and the rows that Postgres has refused are none that are missing', async () => {
    await job('guarded', `${ddl('guarded').slice(0, -1)}, check (id % 1000 <> 7))`, `mode: 'upsert', key: ['id']`);
    const { run, rows: counted } = await drayage.run('guarded', { path: 'a.parquet' });
    expect(counted).toMatchObject({ rejected: 5, written: 4995 });
    expect(await verify(run)).toMatchObject({ ok: true, method: 'whole' });
    await query(`insert into guarded values (100000, 'by hand')`);
    expect(await verify(run, 20)).toMatchObject({ ok: true, method: 'keys', sample: { different: 0 } });
    await query('delete from guarded where id = 8');
    expect(await verify(run)).toMatchObject({ ok: false, differences: [{ kind: 'missing', key: { id: 8 } }] });
  });

  test('a row that a later run has changed is right as that run has left it, and in no other way', async () => {
    await job('changing', ddl('changing'), `mode: 'upsert', key: ['id']`);
    await parquet('later.parquet', rows(100, 200, 'changed'));
    const { run } = await drayage.run('changing', { path: 'a.parquet' });
    const later = await drayage.run('changing', { path: 'later.parquet' });
    expect(await verify(run)).toMatchObject({
      ok: true,
      notes: [`100 rows are as run ${later.run} has left them since`],
    });
    expect(await verify(later.run)).toMatchObject({ ok: true, method: 'keys' });
    await query(`update changing set note = 'n150' || 'x' where id = 150`);
    expect(await verify(run)).toMatchObject({ ok: false, differences: [{ key: { id: 150 } }] });
    expect(await verify(later.run)).toMatchObject({
      ok: false,
      differences: [{ key: { id: 150 }, fields: [{ column: 'note', source: 'changed150', target: 'n150x' }] }],
    });
  });

  test('a later row of the same key counts, in one partition and over several', async () => {
    await job('twice', ddl('twice'), `mode: 'upsert', key: ['id']`);
    await parquet('twice.parquet', `${rows(0, 3000)} union all ${rows(10, 20, 'again')}`);
    const { run, rows: counted } = await drayage.run('twice', { path: 'twice.parquet' });
    expect(counted.superseded + counted.written + counted.unchanged).toBe(3010);
    expect(await verify(run)).toMatchObject({ ok: true, method: 'keys' });
    await query(`update twice set note = 'n10' where id = 10`);
    expect(await verify(run, 3010)).toMatchObject({
      ok: false,
      differences: [{ key: { id: 10 } }],
      sample: { different: 1 },
    });
  });

  test('without a key rows are counted by what they hold', async () => {
    await job(
      'keyless',
      'create table keyless (id bigint, doc json)',
      '',
      `select id % 10 as id, '{"b": 1}'::json as doc from source`,
    );
    const { run } = await drayage.run('keyless', { path: 'b.parquet' });
    await query(`insert into keyless values (77, null)`);
    expect(await verify(run, 2)).toMatchObject({ ok: true, method: 'keys' });
    await query(`delete from keyless where ctid = (select min(ctid) from keyless where id = 3)`);
    expect(await verify(run)).toMatchObject({
      ok: false,
      partitions: [{ missing: 1 }],
      differences: [{ kind: 'missing', key: { row: expect.stringContaining('"id": 3') } }],
    });
  });
});

test('a source that is gone is told, and so are partitions that were not loaded', async () => {
  await parquet('gone.parquet', 'select 1 as id');
  await job('gone', 'create table gone (id bigint primary key)', `mode: 'upsert', key: ['id']`);
  const { run } = await drayage.run('gone', { path: 'gone.parquet' });
  await project.write('gone.parquet', 'something else');
  expect(await verify(run)).toMatchObject({ ok: true, method: 'whole' });
  await query('insert into gone values (2)');
  expect(await verify(run)).toMatchObject({
    ok: false,
    partitions: [
      { partition: 'gone.parquet#rows=1-1', problem: expect.stringContaining('changed after it was planned') },
    ],
  });
});

test('the command tells it all, keeps it, and ends with 1 when something differs', async () => {
  await parquet(
    'told.parquet',
    `select i as id, 'a long text that is the same for some time, and then ' || i as note from range(100) t(i)`,
  );
  await job('told', 'create table told (id bigint primary key, note text)', `mode: 'upsert', key: ['id']`);
  const { run } = await drayage.run('told', { path: 'told.parquet' });
  const good = await project.dray(['verify', String(run), '--sample', '10']);
  expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/verified, in .*\n.*holds what|verified/) });
  expect(good.stdout).toMatch(/10 rows compared field by field, 0 different/);
  await query(`update told set note = replace(note, 'then 7', 'then seven') where id = 7`);
  const bad = await project.dray(['verify', '--json']);
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.stdout)).toMatchObject({
    run,
    ok: false,
    counts: { partitions: { total: 1, done: 1 }, rows: { read: 100 }, tables: [{ table: 'public.told', rows: 100 }] },
    checksum: { source: expect.stringMatching(/^[0-9a-f]{16}$/), target: expect.stringMatching(/^[0-9a-f]{16}$/) },
    sample: { checked: 0, different: 0, differences: [] },
  });
  expect((await project.dray(['verify', String(run)])).stdout).toMatch(
    /different {3}public.told, id 7 .*\n +note: source …"some time, and then 7", target …"some time, and then seven", from character 54/,
  );
  expect((await project.dray(['status', String(run)])).stdout).toMatch(/verified +NOT as it should be, at 2/);
  expect(await project.dray(['verify', '987654'])).toMatchObject({ code: 2 });
  expect(await project.dray(['verify', '--sample', 'few'])).toMatchObject({ code: 2 });
});
