import { rename } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PrivateServer } from '../crash/harness/server.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

/** A crash empties unlogged tables: what a crash is takes a server of its own. */
const duck = createDuck();
let server: PrivateServer;
let project: TestProject;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  server = await PrivateServer.start();
  project = await TestProject.create();
  for (const [name, mode] of [
    ['quick', 'append'],
    ['safe', 'append'],
    ['whole', 'replace'],
  ]) {
    await project.write(
      `jobs/${name}.ts`,
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: '${name}', description: 'Test', source: () => files('*.parquet'), targets: { ${name}: table({ mode: '${mode}' }) },
       });`,
    );
  }
  for (const file of ['a', 'b']) await writeParquet(duck, `select i::int as id from range(100) t(i)`, path(file));
  drayage = await openDrayage(project.root, server.url('drayage'));
  await select(`
    create table safe (id int);
    create unlogged table whole (id int);
    create table quick (id int) partition by range (id);
    create unlogged table quick_all partition of quick default`);
});
afterAll(async () => {
  await drayage.close();
  await duck.close();
  await server.stop();
  await project.remove();
});

const path = (file: string) => `${project.root}/${file}.parquet`;

async function select(query: string) {
  const client = new pg.Client(server.url('drayage'));
  await client.connect();
  return client
    .query(query)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

const count = async (table: string) => (await select(`select count(*)::int as n from ${table}`))[0].n;

async function crash() {
  await drayage.close();
  await server.restart();
  drayage = await openDrayage(project.root, server.url('drayage'));
}

test('what a crash has emptied is loaded again, once; what it has not is left alone', async () => {
  for (const job of ['quick', 'safe']) await drayage.run(job, {}, false);
  await crash();
  expect([await count('quick'), await count('safe')]).toEqual([0, 200]);
  const { stdout } = await project.dray(['plan', 'quick', '--json'], { DATABASE_URL: server.url('drayage') });
  expect(JSON.parse(stdout).partitions).toMatchObject([{ loaded: false }, { loaded: false }]);
  for (const job of ['quick', 'safe', 'quick', 'safe']) await drayage.run(job, {}, false);
  expect([await count('quick'), await count('safe')]).toEqual([200, 200]);
});

test.each([
  'quick',
  'whole',
])('a run of which a crash has emptied a part fails, and the next one loads it: %s', async (job) => {
  await select(`truncate ${job}; delete from drayage.loads; insert into whole values (-1)`);
  const { run, state } = await drayage.run(job, {}, false, () => rename(path('b'), path('b-gone')));
  expect(state).toBe('failed');
  await crash();
  await rename(path('b-gone'), path('b'));
  const retried = await project.dray(['retry', String(run)], { DATABASE_URL: server.url('drayage') });
  expect(retried.code).toBe(0);
  await expect
    .poll(() => select(`select state, error from drayage.runs where id = ${run}`), { timeout: 30_000 })
    .toEqual([{ state: 'failed', error: expect.stringMatching(/crash.*unlogged.*enqueue/i) }]);
  expect(await drayage.run(job, {}, false)).toMatchObject({ state: 'succeeded' });
  expect(await count(job)).toBe(200);
});
