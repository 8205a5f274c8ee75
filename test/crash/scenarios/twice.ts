import assert from 'node:assert/strict';
import { layBefore, type Mode } from '../harness/cargo.ts';
import { assertExact, assertTable } from '../harness/oracle.ts';
import type { Scenario } from './scenario.ts';

export const twice: Scenario = {
  name: 'twice',
  fault: 'several dray enqueue of one job and several dray db up at once, on a fresh database',
  runs: 20,
  shortRuns: 1,
  async prove(world) {
    const { random } = world;
    const mode: Mode = random.pick(['append', 'upsert']);
    await world.withClient((client) => layBefore(client, mode));
    const commands = [['db', 'up'], ['db', 'up'], ...Array.from({ length: 2 }, () => ['enqueue', mode, '--json'])];
    world.inflict(`${mode}: ${commands.length} commands at once`);
    const ended = await Promise.all(commands.map((command) => world.dray(...command)));
    for (const { code, stderr } of ended) assert.equal(code, 0, stderr);
    await world.setLeases();
    const runs = ended.slice(2).map(({ stdout }) => JSON.parse(stdout).run as number);
    assert.deepEqual(runs.toSorted(), [1, 2]);
    await world.startWorkers(2);
    for (const run of runs) await world.untilEnded(run);
    await assertTable(world, mode);
    const found = await world.query(
      `select count(*)::int as partitions, count(*) filter (where state = 'done')::int as loaded from drayage.partitions`,
    );
    assert.deepEqual(found, [{ partitions: 40, loaded: 20 }], 'a content was loaded by both runs');
    await assertExact(world, runs, mode);
  },
};
