import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

test('the page about traps names tests that there are', async () => {
  const page = await readFile(join(ROOT, 'docs/traps.md'), 'utf8');
  const named = page.split('\n').flatMap((line) => {
    const [, , , , proofs = ''] = line.split(/(?<!\\) ?\| ?/);
    return [...proofs.matchAll(/`(test\/[^`]+)`: (.*?)(?=<br>|$)/g)].map(([, file, name]) => ({ file, name }));
  });
  expect(named.length).toBeGreaterThan(50);
  for (const { file, name } of named) {
    const found = { file, name, found: (await readFile(join(ROOT, file!), 'utf8')).includes(name!.trim()) };
    expect(found).toEqual({ file, name, found: true });
  }
});

test('each of them has what is done about it, and a test', async () => {
  const page = await readFile(join(ROOT, 'docs/traps.md'), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| \d+ \|/.test(line));
  for (const row of rows) expect(row).toMatch(/^\| \d+ \| .+ \| .+ \| `test\//);
});
