import { setTimeout as sleep } from 'node:timers/promises';
import { layBefore, MODES, type Mode } from '../harness/cargo.ts';
import { assertExact } from '../harness/oracle.ts';
import type { Moment } from '../harness/relay.ts';
import type { RelayedProcess, World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

/** Moments of an attempt, by what the worker says to the database. */
export const MOMENTS: Record<string, Moment> = {
  'the queue has given it jobs': { texts: ['SKIP LOCKED'], hold: 'answer', skip: 8 },
  'it is about to claim': { texts: ['attempt = p.attempt + 1'], hold: 'request' },
  'it has claimed': { texts: ['attempt = p.attempt + 1'], hold: 'answer' },
  'it is about to enter the ledger': { texts: ['insert into drayage.loads'], hold: 'request' },
  'it begins to copy': { texts: ['insert into drayage.loads', 'from stdin'], hold: 'answer' },
  'its rows are in and the ledger is not complete': { texts: ['update drayage.loads'], hold: 'request' },
  'it has settled its partitions': { texts: ['update drayage.loads', 'update drayage.partitions'], hold: 'answer' },
  'it is about to commit': { texts: ['update drayage.loads', 'commit\0'], hold: 'request' },
  'it has committed and does not know': { texts: ['update drayage.loads', 'commit\0'], hold: 'answer' },
};

/**
 * Kills one worker, at a random time or at a named moment, and puts another one in its place.
 * @param over when the run has ended: whoever lives then is spared
 */
async function killOne(world: World, worker: RelayedProcess, over: Promise<unknown>): Promise<void> {
  const { random } = world;
  const named = random.next() < 0.7;
  const [name, moment] = random.pick(Object.entries(MOMENTS));
  const skip = (moment.skip ?? 0) + random.between(0, 2);
  const delayMs = random.between(0, 2500);
  const come = named ? worker.relay.reach({ ...moment, skip }) : sleep(delayMs);
  const spared = await Promise.race([come.then(() => false), over.then(() => true)]);
  if (spared) {
    worker.relay.forget();
    return worker.relay.release();
  }
  world.inflict(named ? name : `after ${delayMs} ms`);
  await worker.kill();
  await world.startWorker();
}

export const kill: Scenario = {
  name: 'kill',
  fault: 'kill -9 of random workers at random and at named moments',
  runs: 200,
  shortRuns: 4,
  async prove(world) {
    const { random } = world;
    const mode: Mode = random.pick(MODES);
    await world.withClient((client) => layBefore(client, mode));
    const run = await world.enqueue(mode);
    const victims = await world.startWorkers(random.between(2, 3));
    const ended = world.untilEnded(run);
    const over = ended.catch(() => undefined);
    await Promise.all(victims.map((victim) => killOne(world, victim, over)));
    await ended;
    await assertExact(world, run, mode);
  },
};
