import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CODES } from '../../src/base/errors.ts';

const ROOT = join(import.meta.dirname, '../..');
const found = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'));
const pages = ['README.md', 'ARCHITECTURE.md', ...found.map((name) => join('docs', name))];
const read = (page: string) => readFile(join(ROOT, page), 'utf8');

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(text: string): string[] {
  const headings = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test.each(pages)('%s links to what is there', async (page) => {
  const broken: string[] = [];
  for (const [, link] of (await read(page)).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
    const [path, anchor] = link!.split('#');
    const target = path ? resolve(ROOT, dirname(page), path) : join(ROOT, page);
    if (!existsSync(target)) broken.push(link!);
    else if (anchor && !anchors(await read(relative(ROOT, target))).includes(anchor)) broken.push(link!);
  }
  expect(broken).toEqual([]);
});

test('the index names every page but those of single jobs', async () => {
  const index = await read('docs/README.md');
  expect(found.filter((name) => name !== 'README.md' && !name.includes('/') && !index.includes(`(${name})`))).toEqual(
    [],
  );
});

test('the page about errors has every code, with its exit status and whether another attempt can help', async () => {
  const page = await read('docs/errors.md');
  const told = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \| \S.* \| \S.* \|$/gm)].map(
    ([, code, exit, again]) => [code, { exit: Number(exit), transient: again === 'yes' }],
  );
  expect(Object.fromEntries(told)).toEqual(CODES);
  expect(told).toHaveLength(Object.keys(CODES).length);
});
