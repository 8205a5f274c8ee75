import { type BulkJob, enqueueBulk } from '../harness/bulk.ts';
import { assertAllLoaded, assertLargeFailed, assertRestLoads } from '../harness/oracle-bulk.ts';
import type { World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

interface Way {
  job: BulkJob;
  env: NodeJS.ProcessEnv;
  /** What the large partitions say that cannot be loaded; left out: they can. */
  failed?: { code: string; says: RegExp };
}

/** Who runs out of memory. */
const WAYS: Record<string, Way> = {
  'DuckDB, until it is given more': { job: 'list', env: { DRAYAGE_DUCKDB_MEMORY_MB: '32' } },
  'DuckDB, which cannot be given more': {
    job: 'list',
    env: { DRAYAGE_DUCKDB_MEMORY_MB: '32', WEB_MEMORY: '192' },
    failed: { code: 'OUT_OF_MEMORY', says: /DuckDB ran out of memory.*large-\d.*DRAYAGE_DUCKDB_MEMORY_MB/s },
  },
  'the process, which dies of it': {
    job: 'heap',
    // What is loaded beside a large partition would die with it.
    env: { NODE_OPTIONS: '--max-old-space-size=64', DRAYAGE_CONCURRENCY: '1' },
    failed: { code: 'CLAIM_LOST', says: /Every worker that tried this partition died; look for lack of memory/ },
  },
};

export const outOfMemory: Scenario = {
  name: 'out-of-memory',
  fault: 'memory runs out in DuckDB, or in the process, again and again',
  runs: 6,
  shortRuns: 1,
  async prove(world) {
    const [name, { job, env, failed }] = world.random.pick(Object.entries(WAYS));
    const run = await enqueueBulk(world, job);
    world.inflict(name);
    await keepTwo(world, env, world.untilEnded(run, 120_000));
    if (!failed) return assertAllLoaded(world, run);
    await assertLargeFailed(world, run, failed);
    await world.stopWorkers();
    await assertRestLoads(world, run, { DRAYAGE_DUCKDB_MEMORY_MB: '512', DRAYAGE_CONCURRENCY: '1' });
  },
};

/** Starts another worker for each that dies, as a platform does. */
async function keepTwo(world: World, env: NodeJS.ProcessEnv, ended: Promise<void>): Promise<void> {
  let over = false;
  const keepOne = async () => {
    while (!over) {
      const worker = await world.startWorker(env);
      const died = await Promise.race([worker.exited.then(() => true), ended.then(() => false)]);
      if (died) {
        world.inflict('a worker has died');
        await worker.relay.close();
      }
    }
  };
  await Promise.all([ended.finally(() => (over = true)), keepOne(), keepOne()]);
}
