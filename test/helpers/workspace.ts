import { afterAll, beforeAll } from 'vitest';
import type { Duck } from '../../src/duckdb/instance.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { createDuck } from './duck.ts';
import { TestProject } from './project.ts';

/** What the tests of one file share: a database, a project that loads into it, and a DuckDB that makes its files. */
export interface Workspace {
  duck: Duck;
  database: TestDatabase;
  project: TestProject;
}

/**
 * Opens a workspace before the tests of the file or block that calls this, and takes it down after them.
 * @param setUp gets the workspace when it is open, before the first test
 */
export function useWorkspace(setUp: (workspace: Workspace) => unknown): Duck {
  const duck = createDuck();
  let opened: Workspace | undefined;
  beforeAll(async () => {
    const database = await createDatabase();
    opened = { duck, database, project: await TestProject.create(database.url) };
    await setUp(opened);
  });
  afterAll(async () => {
    await duck.close();
    await opened?.project.remove();
    await opened?.database.drop();
  });
  return duck;
}
