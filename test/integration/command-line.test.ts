import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';

const DRAY = join(import.meta.dirname, '../../src/cli/bin.js');

let database: TestDatabase;
let project: TestProject;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await project.dray(['db', 'up']);
});
afterAll(async () => {
  await project.remove();
  await database.drop();
});

/** The best of ten: other tests have the machine in between. */
function startUpMs(args: readonly string[], enoughMs: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 10 && best > enoughMs; run++) {
    const startedMs = performance.now();
    const { status } = spawnSync(process.execPath, [DRAY, ...args], { cwd: project.root, env: project.env });
    best = Math.min(best, performance.now() - startedMs);
    expect(status).toBe(0);
  }
  return best;
}

test('the help is there at once, and so is the status', () => {
  expect(startUpMs(['--help'], 150)).toBeLessThan(150);
  expect(startUpMs(['status'], 500)).toBeLessThan(500);
});
