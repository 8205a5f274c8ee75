import { afterAll, beforeAll, describe, test } from 'vitest';
import type { TestProject } from '../helpers/project.ts';
import { makeProject } from './harness/cargo.ts';
import { prove } from './harness/prove.ts';
import { PrivateServer } from './harness/server.ts';
import { SCENARIOS } from './scenarios/index.ts';

/**
 * The short form of the proofs: every fault a few times, with seeds that are new each time. `npm run soak` has the long
 * form, and repeats a seed.
 */
const SEED = Math.floor(Math.random() * 2 ** 31);

let project: TestProject;
beforeAll(async () => {
  project = await makeProject();
});
afterAll(() => project.remove());

// Most of a proof is waiting for leases to end, so that they may as well wait side by side.
describe.concurrent('what holds when', () => {
  for (const scenario of SCENARIOS) {
    test(`${scenario.name}: ${scenario.fault}`, { timeout: 180_000 }, async ({ skip }) => {
      const impossible = await scenario.impossible?.();
      if (impossible) skip(impossible);
      const server = await PrivateServer.start();
      try {
        for (let run = 0; run < scenario.shortRuns; run++)
          await prove(scenario, { server, project, short: true }, SEED + run);
      } finally {
        await server.stop();
      }
    });
  }
});
