import assert from 'node:assert/strict';
import { checksumOfQuery } from '../../helpers/table-checksum.ts';
import { layBefore, MODES, type Mode } from '../harness/cargo.ts';
import { MANY_ROWS, PARTITIONS, PLANNED_AT_ONCE } from '../harness/many.ts';
import { assertBooks, assertExact, assertReleased, sumOf } from '../harness/oracle.ts';
import type { Moment } from '../harness/relay.ts';
import type { World } from '../harness/world.ts';
import type { Scenario } from './scenario.ts';

const INSERTS = 'insert into drayage.partitions';

/** Moments of a producer, and what it has left behind then. */
const MOMENTS: Record<string, Moment & { left: 'nothing' | 'a part' | 'all' }> = {
  'it is about to insert partitions': { texts: [INSERTS], hold: 'request', left: 'nothing' },
  'it is about to commit partitions': { texts: [INSERTS, 'commit\0'], hold: 'request', left: 'nothing' },
  'it has committed partitions and does not know': { texts: [INSERTS, 'commit\0'], hold: 'answer', left: 'a part' },
  'it is about to say that all are there': {
    texts: [INSERTS, 'commit\0', '"drayage"."events"'],
    hold: 'request',
    left: 'a part',
  },
  'it has said that all are there and does not know': {
    texts: [INSERTS, 'commit\0', '"drayage"."events"', 'commit\0'],
    hold: 'answer',
    left: 'all',
  },
};

export const producer: Scenario = {
  name: 'producer',
  fault: 'kill -9 of a producer while it enumerates, then dray enqueue --resume',
  runs: 20,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    if (random.next() < 0.5) return proveMany(world);
    const mode = random.pick(MODES);
    const [name, { left, ...moment }] = random.pick(Object.entries(MOMENTS));
    await world.withClient((client) => layBefore(client, mode));
    await world.migrate();
    if (random.next() < 0.5) await world.startWorkers(1);
    const victim = await world.startProcess(['enqueue', mode]);
    await victim.relay.reach(moment);
    world.inflict(`${mode}: ${name}`);
    await victim.kill();
    await world.setLeases();
    const run = await completed(world, mode, left);
    await world.startWorkers(2);
    await world.untilEnded(run);
    await assertPlannedOnce(world, run);
    await assertExact(world, run, mode);
  },
};

async function completed(world: World, mode: Mode, left: 'nothing' | 'a part' | 'all'): Promise<number> {
  const runs = await world.query<{ id: number; state: string }>('select id, state from drayage.runs');
  if (left === 'nothing') {
    assert.deepEqual(runs, [], 'a run is there that nobody has begun');
    return world.enqueue(mode);
  }
  assert.equal(runs.length, 1);
  const { id } = runs[0]!;
  const resumed = await world.dray('enqueue', '--resume', String(id), '--json');
  if (left === 'all') {
    assert.equal(resumed.code, 2);
    assert.match(resumed.stderr, /not being planned/);
  } else {
    assert.equal(resumed.code, 0, resumed.stderr);
    const { run, partitions, added } = JSON.parse(resumed.stdout);
    assert.deepEqual({ run, partitions, added }, { run: id, partitions: 20, added: 0 });
  }
  return id;
}

/** Of several transactions the first ones have committed, and workers have begun with what they planned. */
async function proveMany(world: World): Promise<void> {
  const { random } = world;
  await world.migrate();
  if (random.next() < 0.5) await world.startWorkers(1);
  const victim = await world.startProcess(['enqueue', 'many']);
  const hold = random.pick(['request', 'answer'] as const);
  const skip = random.between(hold === 'request' ? 1 : 0, 2);
  await victim.relay.reach({ texts: [INSERTS, 'commit\0'], hold, skip });
  world.inflict(`many: ${hold} of commit ${skip + 1}`);
  await victim.kill();
  await world.setLeases();
  const left = Math.min(PARTITIONS, (hold === 'request' ? skip : skip + 1) * PLANNED_AT_ONCE);
  const resumed = await world.dray('enqueue', '--resume', '1', '--json');
  assert.equal(resumed.code, 0, resumed.stderr);
  const { run, partitions, added } = JSON.parse(resumed.stdout);
  assert.deepEqual({ partitions, added }, { partitions: PARTITIONS, added: PARTITIONS - left });
  await world.startWorkers(1);
  await world.untilEnded(run, 240_000);
  await world.stopWorkers();
  const loaded = await world.withClient((client) => checksumOfQuery(client, 'select id from many'));
  assert.deepEqual(loaded, await sumOf(world, MANY_ROWS));
  await assertPlannedOnce(world, run);
  await assertBooks(world, run);
  await assertReleased(world);
}

async function assertPlannedOnce(world: World, run: number): Promise<void> {
  const twice = await world.query(
    `select data ->> 'partition' as partition from pgboss.job where name = 'drayage-partitions' and data ->> 'run' = $1
     and retry_count = 0 group by 1 having count(*) > (select max(attempt) from drayage.partitions where run_id = $1::bigint)`,
    [String(run)],
  );
  assert.deepEqual(twice, [], 'a partition has been enqueued twice');
}
