import { layBefore, MODES, type Mode } from '../harness/cargo.ts';
import { assertExact } from '../harness/oracle.ts';
import type { Moment } from '../harness/relay.ts';
import type { Scenario } from './scenario.ts';

/** Moments at the end of a run. */
const MOMENTS: Record<Mode, Record<string, Moment>> = {
  append: {
    'it begins to build the index': { texts: ['create index concurrently'], hold: 'request' },
    'it has built the index': { texts: ['create index concurrently'], hold: 'answer' },
    'it analyzes': { texts: ['analyze '], hold: 'request' },
  },
  upsert: {
    'it begins to build the index': { texts: ['create index concurrently'], hold: 'request' },
    'it has built the index': { texts: ['create index concurrently'], hold: 'answer' },
  },
  replace: {
    'it locks the table': { texts: ['in access exclusive mode'], hold: 'answer' },
    'one table has made room': { texts: ['rename to'], hold: 'answer' },
    'it is about to commit the swap': { texts: ['rename to', 'commit\0'], hold: 'request' },
    'it has committed the swap and does not know': { texts: ['rename to', 'commit\0'], hold: 'answer' },
    'it analyzes': { texts: ['analyze '], hold: 'request' },
  },
  merge: {
    'it begins to delete': { texts: ['delete from public.orders'], hold: 'request' },
    'it has deleted': { texts: ['delete from public.orders'], hold: 'answer' },
    'it is about to commit the deletion': { texts: ['delete from public.orders', 'commit\0'], hold: 'request' },
    'it has committed the deletion and does not know': {
      texts: ['delete from public.orders', 'commit\0'],
      hold: 'answer',
    },
  },
};

/** The verdict, in all modes. */
const VERDICT: Record<string, Moment> = {
  'it is about to commit the verdict': { texts: ['set "state"', 'checksum', 'commit\0'], hold: 'request' },
  'it has committed the verdict and does not know': { texts: ['set "state"', 'checksum', 'commit\0'], hold: 'answer' },
};

export const finalize: Scenario = {
  name: 'finalize',
  fault: 'kill -9 while the run is ended: swap, deletions, indexes, verdict',
  runs: 40,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    const mode = random.pick(MODES);
    const [name, moment] = random.pick(Object.entries({ ...MOMENTS[mode], ...VERDICT }));
    await world.withClient((client) => layBefore(client, mode));
    const run = await world.enqueue(mode);
    const workers = await world.startWorkers(2);
    const victim = await Promise.race(workers.map((worker) => worker.relay.reach(moment).then(() => worker)));
    world.inflict(`${mode}: ${name}`);
    for (const { relay } of workers) relay.forget();
    await victim.kill();
    await world.startWorker();
    await world.untilEnded(run);
    await assertExact(world, run, mode);
  },
};
