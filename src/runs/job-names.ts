import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';

/** Where the definitions lie, below the project root. */
export const JOBS_FOLDER = 'jobs';

/** Names of the files in `jobs/`. */
export async function jobNames(root: string): Promise<string[]> {
  const names = await readdir(join(root, JOBS_FOLDER)).catch(() => []);
  return names
    .filter((name) => /\.[tj]s$/.test(name))
    .map((name) => basename(name, extname(name)))
    .sort();
}
