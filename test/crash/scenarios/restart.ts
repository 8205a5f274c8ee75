import { setTimeout as sleep } from 'node:timers/promises';
import { layBefore, MODES } from '../harness/cargo.ts';
import { assertExact } from '../harness/oracle.ts';
import type { Scenario } from './scenario.ts';

export const restart: Scenario = {
  name: 'restart',
  fault: 'Postgres is shut down at once and started again, during the load',
  runs: 20,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    const mode = random.pick(MODES);
    await world.withClient((client) => layBefore(client, mode));
    const run = await world.enqueue(mode);
    await world.startWorkers(2);
    for (let left = random.between(1, 2); left > 0; left--) {
      await world.untilBusy(run, random.between(0, 8));
      await sleep(random.between(0, 500));
      world.inflict(`${mode}: restarted`);
      await world.restartServer();
    }
    await world.untilEnded(run);
    await assertExact(world, run, mode);
  },
};
