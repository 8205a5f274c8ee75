import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MODES } from '../../src/model/modes.ts';
import { CONFLICTS, TARGET_FIELDS } from '../../src/model/target.ts';

test('the page about write modes names those that there are, and every option', async () => {
  const docs = await readFile(join(import.meta.dirname, '../../docs/write-modes.md'), 'utf8');
  const named = [...docs.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  expect(named).toEqual([...MODES, ...CONFLICTS, ...TARGET_FIELDS]);
});
