import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { filesOnDisk, manifests } from '../helpers/lake-files.ts';
import { backTable, COMPARED, OUT_TYPES_NEEDED, outTable } from '../helpers/out-types.ts';
import { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const TABLES = ['support_ticket', 'support_sentiment', 'support_entity'];

let project: TestProject;
let database: TestDatabase;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  for (const job of ['support-archive', 'support-restore']) {
    await cp(join(REPOSITORY, `jobs/${job}.ts`), join(project.root, `jobs/${job}.ts`));
  }
  await cp(join(REPOSITORY, 'sql/targets'), join(project.root, 'sql/targets'), { recursive: true });
  for (const table of TABLES) {
    const ddl = join(REPOSITORY, `sql/targets/${table}.sql`);
    await database.pool.query(await readFile(ddl, 'utf8'));
  }
  await database.pool.query(`
    insert into support_ticket (ticket_id, opened_at, subject, status, messages, score_sum, score_min)
      select 'T-' || i, case when i % 50 > 0 then timestamptz '2025-11-28 12:00+00' + i * interval '12 minutes' end,
        'Subject ' || i, 'open', i % 9, i / 7.0, -1 from generate_series(1, 600) i;
    insert into support_sentiment (message_id, ticket_id, sent_at, text, label, score)
      select 'M-' || i, 'T-' || i % 600, timestamptz '2025-11-28 12:00+00' + i * interval '5 minutes', repeat('text ', i % 40),
        'negative', -0.5 from generate_series(1, 1500) i;
    insert into support_entity (message_id, ticket_id, sent_at, ordinal, type, text)
      select 'M-' || i, 'T-' || i % 600, timestamptz '2025-11-28 12:00+00' + i * interval '14 minutes', 1, 'product', 'é'
      from generate_series(1, 500) i`);
  drayage = await openDrayage(project.root, database.url);
});
afterAll(async () => {
  await drayage.close();
  await project.remove();
  await database.drop();
});

const sql = async (text: string) => (await database.pool.query(text)).rows;

async function checksums(): Promise<unknown[]> {
  const client = await database.pool.connect();
  try {
    const sums = [];
    for (const table of TABLES) sums.push(await checksumOfQuery(client, `select * from ${table}`));
    return sums;
  } finally {
    client.release();
  }
}

test('tables go into a lake and come back the same to the last bit', async () => {
  const before = await checksums();
  const archived = await drayage.run('support-archive', { lake: 'lake', database: '' }, false);
  expect(archived).toMatchObject({ state: 'succeeded', rows: { written: 2600, rejected: 0 } });
  const lake = join(project.root, 'lake');
  const [manifest] = await manifests(lake);
  expect(new Set(manifest!.files.map(({ dataset }) => dataset))).toEqual(new Set(['ticket', 'sentiment', 'entity']));
  expect(manifest!.files.map(({ path }) => path)).toContainEqual(
    expect.stringMatching(/^ticket\/year=2025\/month=11\/day=28\/job_/),
  );
  // Nothing has changed, so nothing is written.
  expect(await drayage.run('support-archive', { lake: 'lake', database: '' }, false)).toMatchObject({
    state: 'succeeded',
    rows: { written: 0 },
  });

  await sql(`create view open_tickets as select * from support_ticket where status = 'open'`);
  await sql(`delete from support_ticket where messages > 3; truncate support_sentiment; drop table support_entity`);
  // What lies in the folders without being published does not count.
  const [some] = await filesOnDisk(lake);
  await cp(join(lake, some!), join(lake, some!.replace('job_', 'copy_')));
  const restored = await drayage.run('support-restore', { lake: 'lake' }, false);
  expect(restored).toMatchObject({ state: 'succeeded', rows: { written: 2600, rejected: 0 } });
  expect(await checksums()).toEqual(before);
  expect(await sql('select count(*)::int from open_tickets')).toEqual([{ count: 600 }]);
  expect(await sql(`select count(*)::int from pg_indexes where tablename = 'support_entity'`)).toEqual([{ count: 2 }]);
});

test('a lake that was moved is the same, and what is missing or damaged is named', async () => {
  const copy = (dataset: string, root = 'moved') =>
    project.write(
      'jobs/one.ts',
      `import { defineJob, lakeFiles, table } from 'drayage';
export default defineJob({ name: 'one', description: 'One', source: () => lakeFiles({ root: '${root}', dataset: '${dataset}' }),
  targets: { one: table({ createTable: 'infer', key: ['message_id'], mode: 'upsert' }) } });`,
    );
  await copy('entity', 'lake');
  const run = async (...options: string[]) => {
    const { code, stdout, stderr } = await project.dray(['run', 'one', '--json', ...options]);
    return { code, stderr, ...JSON.parse(stdout) };
  };
  expect(await run()).toMatchObject({ code: 0, rows: { written: 500 } });
  await cp(join(project.root, 'lake'), join(project.root, 'moved'), { recursive: true });
  await copy('entity');
  const plan = await project.dray(['plan', 'one', '--json']);
  expect(JSON.parse(plan.stdout).partitions.length).toBeGreaterThan(4);
  await copy('entitty');
  expect(await project.dray(['plan', 'one'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Did you mean "entity"/),
  });
  await copy('entity', 'nowhere');
  expect(await project.dray(['plan', 'one'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/There is no lake/),
  });

  await copy('entity');
  const entities = (await filesOnDisk(join(project.root, 'moved'))).filter((path) => /^entity.*job_/.test(path));
  await rename(join(project.root, 'moved', entities[0]!), join(project.root, 'moved/away'));
  expect(await project.dray(['plan', 'one'])).toMatchObject({ code: 2, stderr: expect.stringContaining(entities[0]!) });
  await rename(join(project.root, 'moved/away'), join(project.root, 'moved', entities[0]!));
  await cp(join(project.root, 'moved', entities[1]!), join(project.root, 'moved', entities[0]!));
  await writeFile(join(project.root, 'moved', entities[1]!), 'PAR1');
  const torn = await run('--force');
  expect(torn).toMatchObject({ code: 1, state: 'failed' });
  expect(JSON.stringify(torn.errors)).toMatch(/truncated|bytes, and/);
  const [name] = await readdir(join(project.root, 'moved/_manifest'));
  await writeFile(join(project.root, 'moved/_manifest', name!), '{');
  expect(await project.dray(['plan', 'one'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/no JSON/) });
});

test('a table of all types goes through a lake', async () => {
  await sql(OUT_TYPES_NEEDED);
  for (const statement of outTable('everything')) await sql(statement);
  await sql(backTable('back'));
  await project.write(
    'jobs/out.ts',
    `import { defineJob, lake, postgres } from 'drayage';
export default defineJob({ name: 'out', description: 'Out', source: () => postgres({ table: 'everything' }),
  targets: { everything: lake({ root: 'types' }) } });`,
  );
  await project.write(
    'jobs/back.ts',
    `import { defineJob, lakeFiles, table } from 'drayage';
export default defineJob({ name: 'back', description: 'Back', source: () => lakeFiles({ root: 'types', dataset: 'everything' }),
  targets: { back: table() } });`,
  );
  expect(await drayage.run('out', {}, false)).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  expect(await drayage.run('back', {}, false)).toMatchObject({ state: 'succeeded', rows: { rejected: 0 } });
  const client = await database.pool.connect();
  await client.query(`set timezone = 'UTC'`);
  const sums = [];
  for (const name of ['everything', 'back'])
    sums.push(await checksumOfQuery(client, `select ${COMPARED.join(', ')} from ${name}`));
  client.release(true);
  expect(sums[1]).toEqual(sums[0]);
  await rm(join(project.root, 'types'), { recursive: true });
});
