import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { rows as query } from '../../src/duckdb/scan.ts';
import type { RunReport } from '../../src/runs/report.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';
import { filesOnDisk, manifests, queryLake, soundFiles } from '../helpers/lake-files.ts';

let { project, database, drayage } = {} as Workshop;
const duck = useDrayage((opened) => {
  ({ project, database, drayage } = opened);
});

const HEAD = `import { defineJob, files, lake, sql } from 'drayage';`;
const job = (name: string, rest: string) =>
  project.write(
    `jobs/${name}.ts`,
    `${HEAD}
export default defineJob({
  name: '${name}', description: 'Test', params: { path: { type: 'string' } },
  source: ({ path }) => files(path), ${rest} });`,
  );
const run = (name: string, path: string, force = false): Promise<RunReport> => drayage.run(name, { path }, force);
const root = (name: string) => `${project.root}/${name}`;

test('rows go into the folders of their dates, and the manifest says what is there', async () => {
  await project.write(
    'tickets.csv',
    'id,opened_at,subject\n1,2026-01-05 10:00:00,a\n2,2026-01-05 23:59:59,b\n3,2026-11-30 00:00:00,c\n',
  );
  await job('days', `targets: { ticket: lake({ root: 'days', date: 'opened_at' }) }`);
  const report = await run('days', 'tickets.csv');
  expect(report).toMatchObject({ state: 'succeeded', rows: { read: 3, written: 3, rejected: 0 } });
  const files = await soundFiles(duck, root('days'));
  expect(files.map(({ path }) => path.replace(/-[0-9a-f]{16}\./, '-x.'))).toEqual([
    `ticket/year=2026/month=01/day=05/job_${report.run}-x.parquet`,
    `ticket/year=2026/month=11/day=30/job_${report.run}-x.parquet`,
  ]);
  expect(files[0]).toMatchObject({
    dataset: 'ticket',
    rows: 2,
    columns: [
      { name: 'id', type: 'BIGINT' },
      { name: 'opened_at', type: 'TIMESTAMP' },
      { name: 'subject', type: 'VARCHAR' },
    ],
    source: { partition: 'tickets.csv', fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) },
  });
  const [manifest] = await manifests(root('days'));
  expect(manifest).toMatchObject({ job: 'days', run: expect.stringMatching(`-${report.run}$`), removes: [] });
  expect(await queryLake(duck, root('days'), 'ticket', 'select * from lake order by id')).toHaveLength(3);
});

test('the same content again changes nothing, and by force takes the place of what was there', async () => {
  const again = await run('days', 'tickets.csv');
  expect(again).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 0 } });
  expect(await manifests(root('days'))).toHaveLength(1);
  expect(await filesOnDisk(root('days'))).toHaveLength(2);
  await run('days', 'tickets.csv', true);
  expect(await manifests(root('days'))).toHaveLength(2);
  expect(await queryLake(duck, root('days'), 'ticket', 'select id from lake order by id')).toHaveLength(3);
});

test('a lake that was made anew counts as empty', async () => {
  await rm(root('days'), { recursive: true });
  expect(await run('days', 'tickets.csv')).toMatchObject({ partitions: { done: 1 }, rows: { written: 3 } });
  expect(await soundFiles(duck, root('days'))).toHaveLength(2);
});

test('what another type keeps apart is refused before anything is published', async () => {
  await project.write('mixed/1.csv', 'id,at\n1,2026-01-05\n');
  await project.write('mixed/2.csv', 'id,at\nx,2026-01-06\n');
  await job('mixed', `targets: { ticket: lake({ root: 'mixed-lake', date: 'at' }) }`);
  const report = await run('mixed', 'mixed');
  expect(report).toMatchObject({ state: 'failed', lake: { root: 'mixed-lake', manifest: null } });
  expect(report.errors).toMatchObject([
    { partition: 'mixed/2.csv', message: /Column "id" is VARCHAR here, and BIGINT in other files/ },
  ]);
  expect(await manifests(root('mixed-lake'))).toEqual([]);

  // With the file mended, the next run publishes what the first one has left, too.
  await project.write('mixed/2.csv', 'id,at\n2,2026-01-06\n');
  expect(await run('mixed', 'mixed')).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 1 } });
  expect(await queryLake(duck, root('mixed-lake'), 'ticket', 'select id from lake order by id')).toEqual([
    { id: 1n },
    { id: 2n },
  ]);
  expect(await manifests(root('mixed-lake'))).toHaveLength(1);

  await project.write('later.csv', 'id,at\ny,2026-02-01\n');
  await expect(run('mixed', 'later.csv')).rejects.toMatchObject({ code: 'TARGET_INVALID', where: { column: 'id' } });
  await project.write('wider.csv', 'id,at,note\n3,2026-02-01,new\n');
  expect(await run('mixed', 'wider.csv')).toMatchObject({ state: 'succeeded' });
  const notes = await queryLake(duck, root('mixed-lake'), 'ticket', 'select note from lake order by id');
  expect(notes).toEqual([{ note: null }, { note: null }, { note: 'new' }]);
});

test('a file that an earlier run has left and somebody took away is told, and nothing is published', async () => {
  await project.write('torn/1.csv', 'id\n1\n');
  await project.write('torn/2.csv', 'id\nx\n');
  await job('torn', `targets: { ticket: lake({ root: 'torn-lake', columns: { id: 'bigint' } }) }, maxRejects: 0`);
  expect(await run('torn', 'torn')).toMatchObject({ state: 'failed', errors: [{ code: 'TOO_MANY_REJECTS' }] });
  const [left] = await filesOnDisk(root('torn-lake'));
  await rm(`${root('torn-lake')}/${left}`);
  await project.write('torn/2.csv', 'id\n2\n');
  const report = await run('torn', 'torn');
  expect(report).toMatchObject({ state: 'failed', errors: [{ message: /left for this one is gone/ }] });
  expect(await manifests(root('torn-lake'))).toEqual([]);
  expect(await run('torn', 'torn', true)).toMatchObject({ state: 'succeeded', rows: { written: 2 } });
  expect(await queryLake(duck, root('torn-lake'), 'ticket', 'select id from lake')).toHaveLength(2);
});

test('rows without a date, and values that do not fit, are rejects with their lines; or have a place of their own', async () => {
  const lines = [
    'id,at,amount',
    '1,2026-01-05,1.50',
    '2,,2',
    '3,soon,3',
    '4,2026-01-07,4.005',
    '5,2026-01-07,x',
    '6,2026-01-07,6',
  ];
  await project.write('odd.csv', `${lines.join('\n')}\n`);
  const columns = `columns: { id: 'bigint', at: 'text', amount: 'numeric(8,2)' }`;
  await job('odd', `targets: { paid: lake({ root: 'odd-lake', date: 'at', ${columns} }) }`);
  expect(await run('odd', 'odd.csv')).toMatchObject({
    state: 'completed_with_rejects',
    rows: { read: 6, written: 2, rejected: 4 },
  });
  const { rows } = await database.pool.query(
    `select row_number::int as row, column_name as column, reason, raw from drayage.rejects where table_name = 'paid' order by 1`,
  );
  expect(rows.map(({ raw: _, ...rest }) => rest)).toEqual([
    { row: 3, column: 'at', reason: 'bad_date' },
    { row: 4, column: 'at', reason: 'bad_date' },
    { row: 5, column: 'amount', reason: 'does_not_fit' },
    { row: 6, column: 'amount', reason: 'does_not_fit' },
  ]);
  expect(rows[3].raw).toMatchObject({ amount: 'x' });

  await job('placed', `targets: { paid: lake({ root: 'placed-lake', date: 'at', badDates: 'null partition' }) }`);
  expect(await run('placed', 'odd.csv')).toMatchObject({ state: 'succeeded', rows: { written: 6 } });
  const none = 'year=__HIVE_DEFAULT_PARTITION__/month=__HIVE_DEFAULT_PARTITION__/day=__HIVE_DEFAULT_PARTITION__';
  const without = (await soundFiles(duck, root('placed-lake'))).filter(({ path }) => path.startsWith(`paid/${none}/`));
  expect(without).toMatchObject([{ rows: 2 }]);
});

test('a file is written as the target says', async () => {
  const made = `select i as id, i % 7 as kind, date '2026-03-01' as day from range(5000) t(i)`;
  await duck.use((connection) => query(connection, `copy (${made}) to '${root('plain.parquet')}'`));
  const options = `date: 'day', layout: 'month', compression: 'zstd', rowGroupRows: 2048, sort: ['kind']`;
  await job('written', `targets: { made: lake({ root: 'written-lake', dataset: 'dataset', ${options} }) }`);
  await run('written', 'plain.parquet');
  const [file] = await soundFiles(duck, root('written-lake'));
  expect(file!.path).toMatch(/^dataset\/year=2026\/month=03\/job_\d+-[0-9a-f]{16}\.parquet$/);
  const about = await duck.use((connection) =>
    query(
      connection,
      `select distinct compression, max(row_group_num_rows)::int as rows from parquet_metadata('${root('written-lake')}/${file!.path}') group by all`,
    ),
  );
  expect(about).toEqual([{ compression: 'ZSTD', rows: 2048 }]);
  const kinds = await queryLake(duck, root('written-lake'), 'dataset', 'select kind from lake');
  expect(kinds.map(({ kind }) => Number(kind))).toEqual(Array.from({ length: 5000 }, (_, i) => i % 7).sort());
});

test('a partition that has changed takes the place of what it was, when that is wanted', async () => {
  await job('mended', `targets: { ticket: lake({ root: 'mended-lake', changed: 'replace' }) }`);
  await project.write('mended.csv', 'id\n1\n2\n');
  await run('mended', 'mended.csv');
  await project.write('mended.csv', 'id\n1\n2\n3\n');
  expect(await run('mended', 'mended.csv')).toMatchObject({ rows: { written: 3 } });
  expect(await queryLake(duck, root('mended-lake'), 'ticket', 'select id from lake')).toHaveLength(3);
  expect((await manifests(root('mended-lake'))).map(({ removes }) => removes.length)).toEqual([0, 1]);
});

test('a function over records fills datasets, by the rules of tables', async () => {
  await project.write(
    'jobs/talks.ts',
    `import { defineJob, lake, runDirectories } from 'drayage';
export default defineJob({
  name: 'talks', description: 'Test', source: () => runDirectories({ path: 'talks' }),
  transform: (run, emit) => {
    const { name } = run;
    const talk = run.file('talk.json').json;
    emit.talk({ ...talk, name });
    for (const [index, word] of talk.words.entries()) emit.word({ name, ordinal: index + 1, word, said_at: talk.held_at });
  },
  targets: {
    talk: lake({ root: 'talks-lake', date: 'held_at', columns: {
      name: 'text', held_at: 'timestamptz', minutes: 'integer', price: 'numeric(8,2)', tags: 'text[]', raw: 'bytea',
      words: 'jsonb', room: 'uuid', doors: 'time', day: 'date', ended: 'timestamp', good: 'boolean', score: 'double precision' } }),
    word: lake({ root: 'talks-lake', date: 'said_at', columns: { name: 'text', ordinal: 'bigint', word: 'varchar(20)', said_at: 'timestamptz' } }),
  },
});`,
  );
  const talk = (name: string, change: object = {}) => {
    const times = {
      held_at: '2026-01-05T23:30:00-02:00',
      doors: '24:00:00',
      day: '2026-01-05',
      ended: '2026-01-06 01:02:03.000004',
    };
    const values = {
      minutes: 40,
      price: '12.50',
      tags: ['a "b"', null],
      room: '6f9619ff-8b86-4011-b42d-00cf4fc964ff',
      good: true,
      score: 0.1,
    };
    return project.write(
      `talks/${name}/talk.json`,
      JSON.stringify({ ...times, ...values, words: ['so, "yes"\n', 'no'], ...change }),
    );
  };
  await talk('one');
  await talk('two', { minutes: 4.5 });
  await talk('three', { held_at: null, words: [] });
  const report = await drayage.run('talks', {}, false);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { rejected: 2 } });
  const [row] = await queryLake(duck, root('talks-lake'), 'talk', 'select columns(*)::varchar from lake');
  expect(row).toEqual({
    ...{
      name: 'one',
      held_at: '2026-01-06 01:30:00+00',
      minutes: '40',
      price: '12.50',
      tags: `['a "b"', NULL]`,
      raw: null,
    },
    ...{ words: '["so, \\"yes\\"\\n","no"]', room: '6f9619ff-8b86-4011-b42d-00cf4fc964ff', doors: '24:00:00' },
    ...{ day: '2026-01-05', ended: '2026-01-06 01:02:03.000004', good: 'true', score: '0.1' },
  });
  expect(await queryLake(duck, root('talks-lake'), 'word', 'select * from lake')).toHaveLength(4);
  const { rows } = await database.pool.query(
    `select table_name, column_name, reason from drayage.rejects where run_id = $1 order by column_name`,
    [report.run],
  );
  expect(rows).toEqual([
    { table_name: 'talk', column_name: 'held_at', reason: 'bad_date' },
    { table_name: 'talk', column_name: 'minutes', reason: expect.any(String) },
  ]);
});

test('a function over batches fills a dataset with what it makes of them', async () => {
  const lines = [
    { id: 1, tags: ['a', 'b'], secret: 'x', day: '2026-01-05' },
    { id: 2, tags: null, secret: 'y', day: 'soon' },
  ];
  await project.write('batched.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await project.write(
    'jobs/batched.ts',
    `import { batches, defineJob, files, lake } from 'drayage';
export default defineJob({
  name: 'batched', description: 'Test', source: () => files('batched.jsonl'),
  transform: batches((batch) => batch.select(['id', 'tags', 'day'])),
  targets: { thing: lake({ root: 'batched-lake', date: 'day' }) },
});`,
  );
  const report = await drayage.run('batched', {}, false);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 2, written: 1, rejected: 1 } });
  const found = await queryLake(duck, root('batched-lake'), 'thing', 'select columns(*)::varchar from lake');
  expect(found).toEqual([{ id: '1', tags: '["a","b"]', day: '2026-01-05' }]);
  const { rows } = await database.pool.query(
    'select row_number::int as row, column_name, reason from drayage.rejects where run_id = $1',
    [report.run],
  );
  expect(rows).toEqual([{ row: 2, column_name: 'day', reason: 'bad_date' }]);
});

test('verbs that are about tables say so', async () => {
  const { rows } = await database.pool.query(`select max(id)::int as run from drayage.runs where job = 'odd'`);
  for (const [verb, code] of [
    [['verify', String(rows[0].run)], 2],
    [['rejects', String(rows[0].run), '--replay'], 2],
  ] as const) {
    const { stderr, code: exit } = await project.dray([...verb]);
    expect(exit).toBe(code);
    expect(stderr).toMatch(/in a lake/);
  }
  const plan = await project.dray(['plan', 'odd', '--param', 'path=odd.csv']);
  expect(plan.stdout).toMatch(/odd-lake\/paid \(lake\)/);
  expect(plan.stdout).toMatch(/amount +VARCHAR .*DECIMAL\(8,2\) +values that do not fit are rejected/);
});
