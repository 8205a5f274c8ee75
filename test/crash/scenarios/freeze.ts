import { layBefore, MODES } from '../harness/cargo.ts';
import { assertExact, assertTable } from '../harness/oracle.ts';
import { until } from '../harness/until.ts';
import { MOMENTS } from './kill.ts';
import type { Scenario } from './scenario.ts';

export const freeze: Scenario = {
  name: 'freeze',
  fault: 'SIGSTOP past the lease, another one finishes, SIGCONT',
  runs: 20,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    const mode = random.pick(MODES);
    const [name, moment] = random.pick(Object.entries(MOMENTS));
    await world.withClient((client) => layBefore(client, mode));
    const run = await world.enqueue(mode);
    if (!world.short && random.next() < 0.5) {
      world.inflict('a lease of 15 s');
      await world.setLeases(15);
    }
    const frozen = await world.startWorker();
    await frozen.relay.reach({ ...moment, skip: (moment.skip ?? 0) + random.between(0, 2) });
    frozen.send('SIGSTOP');
    world.inflict(`${mode}: ${name}`);
    await world.startWorkers(random.between(1, 2));
    await world.untilEnded(run);
    await assertTable(world, mode);
    // What it said last arrives only now, too.
    frozen.relay.release();
    frozen.send('SIGCONT');
    await until('the frozen worker is awake', async () => {
      const [seen] = await world.query<{ seen: boolean }>(
        `select seen_at > clock_timestamp() - interval '3 seconds' as seen from drayage.workers where pid = $1`,
        [frozen.pid],
      );
      return seen?.seen;
    });
    await assertExact(world, run, mode);
  },
};
