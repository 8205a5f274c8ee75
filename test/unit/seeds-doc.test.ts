import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** How many lines each of the requirements has. */
const LINES: Readonly<Record<string, number>> = { S0: 9, S2: 7, S3: 11, S4: 9, C: 4 };
const PLANNED = ['S0.6', 'S0.8', 'S3.9', 'S4.7', 'S4.8'];

const page = await readFile(join(ROOT, 'docs/seeds.md'), 'utf8');
const rows = page.split('\n').flatMap((line) => {
  const [, number, , proof] = /^\| ([SC]\d?\.[^|]*) \| (.*?) \| (.*) \|$/.exec(line) ?? [];
  return number === undefined ? [] : [{ numbers: number.split(', '), proof: proof! }];
});

test('every requirement stands on the page, with a proof or as planned', () => {
  const named = new Set(rows.flatMap(({ numbers }) => numbers));
  const wanted = Object.entries(LINES).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, index) => `${name}.${index + 1}`),
  );
  expect(wanted.filter((number) => !named.has(number))).toEqual([]);
  const planned = rows.filter(({ proof }) => proof.startsWith('planned')).flatMap(({ numbers }) => numbers);
  expect(planned).toEqual(PLANNED);
});

test('the test files that it names are there', async () => {
  const files = [...page.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, file]) => file!);
  const folders = ['test/integration', 'test/unit', 'test/corpus', 'test/crash', 'test/property'];
  const isThere = (path: string) =>
    access(join(ROOT, path)).then(
      () => true,
      () => false,
    );
  for (const file of new Set(files)) {
    const places = file.includes('/') ? [file] : folders.map((folder) => `${folder}/${file}`);
    expect({ file, found: (await Promise.all(places.map(isThere))).includes(true) }).toEqual({ file, found: true });
  }
});

test('the names of tests that stand in italics are those of tests', async () => {
  const names = [...page.matchAll(/(?<!\*)\*(?!\*)([^*|]+)\*/g)].flatMap(([, name]) => name!.split('…'));
  const sources = await Promise.all(
    [...page.matchAll(/`(test\/[\w./-]+\.test\.ts)`/g)].map(([, file]) => readFile(join(ROOT, file!), 'utf8')),
  );
  const all = sources.join('\n');
  expect(names.filter((name) => !all.includes(name.trim()))).toEqual([]);
});
