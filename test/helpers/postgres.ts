import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { joinEmbedded } from '../../src/postgres/embedded.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
  }
}

/** One embedded Postgres for the whole test run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const home = await mkdtemp(join(tmpdir(), 'drayage-test-'));
  // Postgres runs as another user when the tests run as root.
  await chmod(home, 0o755);
  const embedded = await joinEmbedded(home);
  project.provide('postgresUrl', embedded.url);
  return async () => {
    await embedded.leave();
    await rm(home, { recursive: true, force: true });
  };
}
