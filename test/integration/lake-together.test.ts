import { utimes } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';
import { manifests, queryLake } from '../helpers/lake-files.ts';

/** Runs that bring the same content into a lake, side by side or one after another that has failed. */

let { project, database, drayage } = {} as Workshop;
const duck = useDrayage((opened) => {
  ({ project, database, drayage } = opened);
});

const FILES: Record<string, string> = { 1: 'id\n1\n2\n', 2: 'id\n3\n' };
const BAD = 'id\nx\n';

/** A job of its own for each test, with a lake of its own and files in a folder of the same name. */
async function prepare(name: string, files: Record<string, string>, more = ''): Promise<void> {
  for (const [file, text] of Object.entries(files)) await project.write(`${name}/${file}.csv`, text);
  await project.write(
    `jobs/${name}.ts`,
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({
  name: '${name}', description: 'Test', params: { path: { type: 'string' } }, maxRejects: 0, retries: 0,
  source: ({ path }) => files(path), targets: { thing: lake({ root: '${name}-lake', columns: { id: 'bigint' }, ${more} }) } });`,
  );
}

const run = (name: string, path = name, force = false) => drayage.run(name, { path }, force);

async function idsIn(name: string): Promise<number[]> {
  if ((await publishedIn(name)).length === 0) return [];
  const found = await queryLake(duck, `${project.root}/${name}-lake`, 'thing', 'select id from lake order by id');
  return found.map(({ id }) => Number(id));
}

const publishedIn = async (name: string) => (await manifests(`${project.root}/${name}-lake`)).map(({ run: by }) => by);

/** Begins a run over both files, of which the second has to wait until it is let go; ends when the first one is done. */
async function runHalf(name: string) {
  const blocker = await database.pool.connect();
  let held = true;
  const letGo = async () => {
    if (!held) return;
    held = false;
    await blocker.query('rollback');
    blocker.release();
  };
  onTestFinished(letGo);
  const planned = Promise.withResolvers<number>();
  const block = async () => {
    await blocker.query('begin');
    // As a twin does that is loading the same.
    const { rows } = await blocker.query(
      `insert into drayage.lake_loads (fingerprint, lake, datasets, job, partition_key, run_id)
       select p.fingerprint, l.lake, '{thing}', '', p.key, 0 from drayage.partitions p join drayage.lake_runs l using (run_id)
       where p.key like '%2.csv' and p.run_id = (select max(id) from drayage.runs)
       returning (select max(id)::int from drayage.runs) as run`,
    );
    planned.resolve(rows[0].run);
  };
  const ended = drayage.run(name, { path: name }, false, block);
  const id = await planned.promise;
  const done = 'select from drayage.partitions where run_id = $1 and state = $2';
  await vi.waitUntil(async () => (await database.pool.query(done, [id, 'done'])).rowCount === 1, { timeout: 20_000 });
  return { run: id, ended, letGo };
}

test('what a run leaves out because another is bringing it is there when it ends, though the other fails', async () => {
  await prepare('failing', { ...FILES, 2: BAD });
  const other = await runHalf('failing');
  const report = await run('failing', 'failing/1.csv');
  expect(report).toMatchObject({ state: 'succeeded', partitions: { skipped: 1 } });
  expect(await idsIn('failing')).toEqual([1, 2]);
  await other.letGo();
  expect(await other.ended).toMatchObject({ state: 'failed', lake: { manifest: null } });
  expect(await idsIn('failing')).toEqual([1, 2]);
  await project.write('failing/2.csv', FILES[2]!);
  expect(await run('failing')).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 1 } });
  expect(await idsIn('failing')).toEqual([1, 2, 3]);
});

test('and is there once when the other succeeds', async () => {
  await prepare('succeeding', FILES);
  const other = await runHalf('succeeding');
  const report = await run('succeeding', 'succeeding/1.csv');
  expect(await idsIn('succeeding')).toEqual([1, 2]);
  await other.letGo();
  expect(await other.ended).toMatchObject({ state: 'succeeded', partitions: { done: 2 } });
  expect(await idsIn('succeeding')).toEqual([1, 2, 3]);
  expect(await publishedIn('succeeding')).toEqual([
    expect.stringMatching(`-${other.run}$`),
    expect.stringMatching(`-${report.run}$`),
  ]);
});

test('what was loaded again by force in a run that has failed is there once when another run completes it', async () => {
  await prepare('forced', FILES);
  await run('forced');
  await project.write('forced/2.csv', BAD);
  expect(await run('forced', 'forced', true)).toMatchObject({ state: 'failed', partitions: { done: 1, failed: 1 } });
  await project.write('forced/2.csv', 'id\n4\n5\n');
  expect(await run('forced')).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 1 } });
  expect(await idsIn('forced')).toEqual([1, 2, 3, 4, 5]);
});

test('what has changed takes the place of what it was when another run completes the one that has failed', async () => {
  await prepare('changed', FILES, `changed: 'replace'`);
  await run('changed');
  await project.write('changed/1.csv', 'id\n7\n8\n9\n');
  await project.write('changed/2.csv', BAD);
  expect(await run('changed')).toMatchObject({ state: 'failed', partitions: { done: 1, failed: 1 } });
  expect(await idsIn('changed')).toEqual([1, 2, 3]);
  await project.write('changed/2.csv', 'id\n4\n5\n');
  expect(await run('changed')).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 1 } });
  expect(await idsIn('changed')).toEqual([4, 5, 7, 8, 9]);
});

test('what was replaced and comes back is loaded again', async () => {
  await prepare('back', { 1: FILES[1]! }, `changed: 'replace'`);
  const file = `${project.root}/back/1.csv`;
  await utimes(file, 1_700_000_000, 1_700_000_000);
  await run('back');
  await project.write('back/1.csv', 'id\n7\n8\n9\n');
  await run('back');
  expect(await idsIn('back')).toEqual([7, 8, 9]);
  await project.write('back/1.csv', FILES[1]!);
  await utimes(file, 1_700_000_000, 1_700_000_000);
  expect(await run('back')).toMatchObject({ state: 'succeeded', partitions: { done: 1 } });
  expect(await idsIn('back')).toEqual([1, 2]);
});
