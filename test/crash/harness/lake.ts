import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duck } from '../../../src/duckdb/instance.ts';
import { rows as query } from '../../../src/duckdb/scan.ts';
import { s3Store } from '../../../src/store/s3.ts';
import { createDuck, writeParquet } from '../../helpers/duck.ts';
import { filesOnDisk, manifests, queryLake, soundFiles } from '../../helpers/lake-files.ts';
import type { TestProject } from '../../helpers/project.ts';
import { assertBooks, assertReleased } from './oracle.ts';
import type { World } from './world.ts';

/** What is hauled into lakes, and what must hold there when a run has ended. */

/** Large enough for uploads of several parts, and for one that is not. */
const ROWS = 150_000;
const FILES = 6;
const DAYS = 2;
const SOURCE = 'data/lake';
const CONTENT =
  'select count(*)::int as rows, count(distinct id)::int as ids, sum(hash(id, day, token, other))::varchar as sum';

const made = new WeakMap<TestProject, Promise<void>>();

/** Adds the job `away` and its files to the project, once. */
export function addLakeJob(project: TestProject): Promise<void> {
  const begun = made.get(project) ?? make(project);
  made.set(project, begun);
  return begun;
}

async function make(project: TestProject): Promise<void> {
  await project.write(`${SOURCE}/.keep`, '');
  await withDuck(async (duck) => {
    for (let file = 0; file < FILES; file++) {
      const rows = `select i as id, date '2026-01-05' + (i % 8 = 0)::int as day, md5(i::varchar) as token,
        md5((i + 1)::varchar) as other from range(${file * ROWS}, ${(file + 1) * ROWS}) t(i)`;
      await writeParquet(duck, rows, `${project.root}/${SOURCE}/${file}.parquet`);
    }
  });
  await project.write(
    'jobs/away.ts',
    `import { defineJob, files, lake } from 'drayage';
export default defineJob({
  name: 'away', description: 'Tokens into a lake', retries: 20, params: { root: { type: 'string' } }, source: () => files('${SOURCE}'),
  targets: { token: lake({ root: ({ root }) => root, date: 'day', compression: 'none' }) } });`,
  );
}

/** What the ledger of lakes and the entries of files have to say. */
const LEDGER: Record<string, string> = {
  'a loaded partition and its entry in the ledger differ': `
    select p.key from drayage.partitions p left join drayage.lake_loads l on l.fingerprint = p.fingerprint and l.run_id = p.run_id
    where p.run_id = $1 and p.state = 'done' and (l.fingerprint is null or l.rows_written <> p.rows_written)`,
  'a file was entered that no partition has made': `
    select f.path from drayage.lake_files f where f.run_id = $1 and not exists (
      select from drayage.partitions p where p.run_id = $1 and p.fingerprint = f.fingerprint and p.state = 'done')`,
  'a file waits for a run that has published': `
    select path from drayage.lake_files where run_id = $1 and added_by is distinct from run_id`,
  'the run has not marked that it has published': `select run_id from drayage.lake_runs where run_id = $1 and not published`,
  'files are noted as about to be put': 'select path from drayage.lake_puts where run_id = $1',
};

/**
 * Every row is in the lake once, every file is whole and named by the one manifest, and nothing else lies there. Stops
 * the workers.
 * @param root the lake's folder
 */
export async function assertLake(world: World, run: number, root: string): Promise<void> {
  await world.stopWorkers();
  const [ended] = await world.query('select state, rows_read, rows_written from drayage.runs where id = $1', [run]);
  assert.deepEqual(ended, { state: 'succeeded', rows_read: FILES * ROWS, rows_written: FILES * ROWS });
  await withDuck(async (duck) => {
    const files = await soundFiles(duck, root);
    assert.equal((await manifests(root)).length, 1);
    assert.equal(files.length, FILES * DAYS);
    assert.deepEqual(
      await filesOnDisk(root),
      files.map(({ path }) => path),
      'a file is there that the manifest does not name',
    );
    const source = `read_parquet('${world.project.root}/${SOURCE}/*.parquet')`;
    const [given] = await duck.use((connection) => query(connection, `${CONTENT} from ${source}`));
    assert.deepEqual(await queryLake(duck, root, 'token', `${CONTENT} from lake`), [given]);
  });
  const staged = await readdir(join(root, '_staging')).catch(() => []);
  assert.deepEqual(staged, [], 'something has been left in the folder for staging');
  await assertBooks(world, run, LEDGER);
  await assertReleased(world);
}

/** Copies all that lies in a lake in S3. @returns the folder */
export async function copyOfS3(world: World, endpoint: string, bucket: string, prefix: string): Promise<string> {
  const root = join(world.home, 'copy');
  const store = s3Store({ endpoint });
  for await (const { key } of store.list({ bucket, key: `${prefix}/` })) {
    const file = join(root, key.slice(prefix.length + 1));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, await store.getBytes({ bucket, key }, {}));
  }
  return root;
}

async function withDuck(work: (duck: Duck) => Promise<void>): Promise<void> {
  const duck = createDuck();
  try {
    await work(duck);
  } finally {
    await duck.close();
  }
}
