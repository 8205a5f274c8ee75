import { setTimeout as sleep } from 'node:timers/promises';
import { layBefore, MODES } from '../harness/cargo.ts';
import { assertExact } from '../harness/oracle.ts';
import type { RelayedProcess, World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

const BLACK_HOLE_MS = 2000;

/** What a network does to the connections of one worker. */
const FAULTS: Record<string, (worker: RelayedProcess, world: World) => Promise<void> | void> = {
  cut: ({ relay }) => relay.cut(),
  'the worker is left with open ends': ({ relay }) => relay.halfOpen('server'),
  'the server is left with open ends': ({ relay }) => relay.halfOpen('client'),
  'a black hole': async ({ relay }) => {
    relay.freeze();
    await sleep(BLACK_HOLE_MS);
    relay.thaw();
  },
  'a black hole that ends in cuts': async ({ relay }) => {
    relay.freeze();
    await sleep(BLACK_HOLE_MS);
    relay.cut();
    relay.thaw();
  },
};

export const network: Scenario = {
  name: 'network',
  fault: 'connections cut, half open, or in a black hole for 2 s',
  runs: 20,
  shortRuns: 2,
  async prove(world) {
    const { random } = world;
    const mode = random.pick(MODES);
    await world.withClient((client) => layBefore(client, mode));
    const run = await world.enqueue(mode);
    const workers = await world.startWorkers(2);
    for (let left = random.between(1, 3); left > 0; left--) {
      await world.untilBusy(run, random.between(0, 8));
      await sleep(random.between(0, 500));
      const [name, inflict] = random.pick(Object.entries(FAULTS));
      const hit = random.next() < 0.3 ? workers : [random.pick(workers)];
      world.inflict(`${mode}: ${name}, ${hit.length} of ${workers.length} workers`);
      await Promise.all(hit.map((worker) => inflict(worker, world)));
    }
    // Silence is noticed later than anything else.
    await world.untilEnded(run, 120_000);
    await assertExact(world, run, mode);
  },
};
