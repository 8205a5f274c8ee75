import assert from 'node:assert/strict';
import { copyFile, cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceRows } from '../harness/cargo.ts';
import { assertBooks, assertExact, sumOf, tableSum } from '../harness/oracle.ts';
import type { World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

const FILE = 'part-2.parquet';

/** Ways in which a file is replaced. */
const REPLACEMENTS: Record<string, (path: string) => Promise<void>> = {
  'another file of the same name': async (path) => {
    await copyFile(path, `${path}.new`);
    await rename(`${path}.new`, path);
  },
  'written over': async (path) => writeFile(path, await readFile(path)),
};

export const changed: Scenario = {
  name: 'changed',
  fault: 'a source file is replaced between plan and read, or while it is read',
  runs: 5,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    const folder = join(world.home, 'data');
    await cp(join(world.project.root, 'data/keyed'), folder, { recursive: true });
    const run = await world.enqueue('upsert', '--param', `path=${folder}`);
    const [how, replace] = random.pick(Object.entries(REPLACEMENTS));
    const during = random.next() < 0.5;
    world.inflict(`${how} ${during ? 'while it is read' : 'before it is read'}`);
    if (during) {
      const worker = await world.startWorker();
      await worker.relay.reach({ texts: ['insert into drayage.loads', 'from stdin'], hold: 'answer' });
      await replace(join(folder, FILE));
      worker.relay.release();
    } else {
      await replace(join(folder, FILE));
      await world.startWorkers(1);
    }
    await world.untilEnded(run);
    await assertOthersLoaded(world, run);
    // The same job once more plans the file as it is now, and leaves the others alone.
    const again = await world.enqueue('upsert', '--param', `path=${folder}`);
    await world.untilEnded(again);
    await world.query(`insert into orders select i, 3, 4, 'nowhere' from generate_series(120000, 120099) i`);
    await assertExact(world, [again], 'upsert', { whole: false });
  },
};

/** What has failed says why, and nothing of it is in the table; all the rest is. */
async function assertOthersLoaded(world: World, run: number): Promise<void> {
  const failed = await world.query<{ file: string; code: string }>(
    `select distinct file, error_code as code from drayage.partitions where run_id = $1 and state = 'failed'`,
    [run],
  );
  assert.deepEqual(failed, [{ file: join(world.home, 'data', FILE), code: 'SOURCE_CHANGED' }]);
  const loaded = await world.query<{ file: string; first: number; last: number }>(
    `select file, (spec ->> 'first')::int as first, (spec ->> 'last')::int as last
     from drayage.partitions where run_id = $1 and state = 'done'`,
    [run],
  );
  const ranges = loaded.map(({ file, first, last }) => {
    const start = Number(/part-(\d)/.exec(file)![1]) * 30_000;
    return `id between ${start + first - 1} and ${start + last - 1}`;
  });
  const expected = await sumOf(world, `select * from (${sourceRows('upsert')}) s where ${ranges.join(' or ')}`);
  assert.deepEqual(await tableSum(world), expected, 'the table has more or less than the partitions that are done');
  await assertBooks(world, run);
}
