import { parseArgs } from 'node:util';
import { makeProject } from './harness/cargo.ts';
import { prove } from './harness/prove.ts';
import { PrivateServer } from './harness/server.ts';
import type { Place } from './harness/world.ts';
import { SCENARIOS } from './scenarios/index.ts';
import type { Scenario } from './scenarios/scenario.ts';

/**
 * The long form of the proofs: npm run soak -- --only kill --runs 20 --seed 7
 *
 *   --only NAME   one fault, or several separated by commas
 *   --runs N      in place of the number that each fault has by itself
 *   --seed S      of the first run; the next one has S + 1
 *   --lanes N     runs side by side, each with a server of its own; most of a run is waiting for leases
 *   --minutes M   begins no further run after so long
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string' },
    seed: { type: 'string' },
    lanes: { type: 'string', default: '3' },
    minutes: { type: 'string' },
  },
});

interface Tally {
  fault: string;
  runs: number;
  failures: number;
  'failing seeds': string;
  seconds: number;
}

const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const wanted = values.only?.split(',');
const scenarios = SCENARIOS.filter(({ name }) => wanted?.includes(name) ?? true);
if (scenarios.length === 0) throw new Error(`There is ${SCENARIOS.map(({ name }) => name).join(', ')}`);
const deadline = values.minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.minutes) * 60_000;

const project = await makeProject();
const lanes: Place[] = await Promise.all(
  Array.from({ length: Number(values.lanes) }, async () => ({
    project,
    server: await PrivateServer.start(),
    short: false,
  })),
);
const tallies: Tally[] = [];
for (const scenario of scenarios) tallies.push(await soak(scenario));
await Promise.all(lanes.map(({ server }) => server.stop()));
await project.remove();
console.table(tallies);
// Half a connection that a proof has left behind must not keep it from ending.
process.exit(tallies.some(({ failures }) => failures > 0) ? 1 : 0);

async function soak(scenario: Scenario): Promise<Tally> {
  const impossible = await scenario.impossible?.();
  if (impossible) console.log(`${scenario.name} is left out: ${impossible}`);
  const runs = impossible ? 0 : Number(values.runs ?? scenario.runs);
  const begunMs = Date.now();
  const failing: number[] = [];
  let next = 0;
  let done = 0;
  const work = async (lane: Place) => {
    while (next < runs && Date.now() < deadline) {
      const seed = firstSeed + next++;
      const startedMs = Date.now();
      const outcome = await prove(scenario, lane, seed).then(
        (faults) => `holds (${faults.join('; ')})`,
        (error: Error) => {
          failing.push(seed);
          return `FAILS: ${error.message}`;
        },
      );
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      console.log(`${scenario.name} ${++done}/${runs}, seed ${seed}, ${seconds} s: ${outcome}`);
    }
  };
  await Promise.all(lanes.map(work));
  return {
    fault: scenario.name,
    runs: done,
    failures: failing.length,
    'failing seeds': failing.join(' '),
    seconds: Math.round((Date.now() - begunMs) / 1000),
  };
}
