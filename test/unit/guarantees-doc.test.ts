import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SCENARIOS } from '../crash/scenarios/index.ts';

const ROOT = join(import.meta.dirname, '../..');

test('every promise has a proof that there is, and every proof a promise', async () => {
  const page = await readFile(join(ROOT, 'docs/guarantees.md'), 'utf8');
  const proofs = page.split('\n').flatMap((line) => /^\| .+ \| (`.+) \|$/.exec(line)?.[1] ?? []);
  const named = new Set<string>();
  for (const proof of proofs) {
    const [, file, name] = /^`(test\/[^`]+)`: (.+)$/.exec(proof) ?? [];
    if (!file) named.add(proof.replaceAll('`', ''));
    else expect(await readFile(join(ROOT, file), 'utf8'), `${file} has "${name}"`).toContain(name);
  }
  expect([...named].toSorted()).toEqual(SCENARIOS.map(({ name }) => name).toSorted());
});
