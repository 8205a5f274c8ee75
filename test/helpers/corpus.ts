import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Real files that others wrote; they lie beside the repository, where somebody has put them. */
export const CORPUS = join(import.meta.dirname, '../../../shared/data');

/** Says so when they are not there; their tests are skipped then. */
export function corpusPresent(): boolean {
  const present = existsSync(CORPUS);
  if (!present) console.warn(`The corpus is not at ${CORPUS}: its tests are skipped.`);
  return present;
}
