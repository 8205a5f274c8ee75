import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertBooks, assertReleased, sumOf } from '../harness/oracle.ts';
import { paced, pacedRows } from '../harness/paced.ts';
import { until } from '../harness/until.ts';
import type { RelayedProcess, World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

const REPLACED_EVERY_MS = 3_000;
/** Platforms kill what has not ended 30 seconds after SIGTERM. */
const EXIT_WITHIN_MS = 25_000;

export const deploy: Scenario = {
  name: 'deploy',
  fault: 'a worker is asked to stop and replaced every 3 s, while the run goes on',
  runs: 1,
  shortRuns: 1,
  async prove(world) {
    const partitions = world.short ? 60 : 200;
    const folder = await paced(world, partitions);
    const run = await world.enqueue('paced', '--param', `path=${folder}`);
    let worker = await startedWorker(world);
    const stopped: Promise<void>[] = [];
    const ended = world.untilEnded(run, 240_000);
    const over = ended.then(() => true);
    while (!(await Promise.race([over, sleep(REPLACED_EVERY_MS, false)]))) {
      const replaced = worker;
      worker = await startedWorker(world);
      const signal = world.random.next() < 0.7 ? 'SIGTERM' : 'SIGINT';
      world.inflict(signal);
      stopped.push(
        (async () => {
          const askedMs = Date.now();
          assert.equal(await replaced.stop(signal), 0, `exit code after ${signal}`);
          assert.ok(Date.now() - askedMs < EXIT_WITHIN_MS, `${signal} took ${Date.now() - askedMs} ms`);
        })(),
      );
    }
    await ended;
    await Promise.all(stopped);
    await world.stopWorkers();
    assert.deepEqual(await sumOf(world, 'select * from paced'), await sumOf(world, pacedRows(partitions)));
    const [state] = await world.query('select state, partitions_done from drayage.runs where id = $1', [run]);
    assert.deepEqual(state, { state: 'succeeded', partitions_done: partitions });
    const burnt = await world.query(
      `select p.key, p.failures, a.outcome from drayage.partitions p join drayage.attempts a on a.partition_id = p.id
       where p.run_id = $1 and (p.failures > 0 or a.outcome not in ('done', 'released'))`,
      [run],
    );
    assert.deepEqual(burnt, [], 'an attempt was burnt');
    await assertBooks(world, run);
    await assertReleased(world);
  },
};

/** A platform lets an old one go when the new one is up. */
async function startedWorker(world: World): Promise<RelayedProcess> {
  const worker = await world.startWorker();
  await until('the new worker is up', async () => {
    const found = await world.query('select from drayage.workers where pid = $1', [worker.pid]);
    return found.length > 0;
  });
  return worker;
}
