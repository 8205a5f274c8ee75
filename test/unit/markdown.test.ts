import { expect, test } from 'vitest';
import { readMarkdown } from '../../src/sources/run-directory/markdown.ts';

test('a document is front matter, a title and sections', () => {
  const document = readMarkdown(
    [
      '---',
      'tags: [a, "2"]',
      'serial: 12345678901234567890',
      'ratio: 0.5',
      'day: 2025-03-01',
      '---',
      'before',
      '',
      '# The *title*',
      '',
      'intro',
      '',
      '## Why `now`?',
      '',
      'first',
      '',
      '### deeper',
      '',
      '- a list',
      '',
      'Underlined',
      '----------',
      'second',
      '# Another',
    ].join('\n'),
  );
  expect(JSON.stringify(document.frontMatter)).toBe(
    '{"tags":["a","2"],"serial":12345678901234567890,"ratio":0.5,"day":"2025-03-01"}',
  );
  expect(document).toMatchObject({ title: 'The title', problem: undefined });
  expect(document.body.startsWith('before')).toBe(true);
  expect(document.sections).toEqual([
    { heading: 'The title', depth: 1, text: expect.stringMatching(/^intro\n.*second$/s) },
    { heading: 'Why now?', depth: 2, text: 'first\n\n### deeper\n\n- a list' },
    { heading: 'deeper', depth: 3, text: '- a list' },
    { heading: 'Underlined', depth: 2, text: 'second' },
    { heading: 'Another', depth: 1, text: '' },
  ]);
});

test('what looks like a heading inside of code, a quotation or HTML is none', () => {
  const { sections, title } = readMarkdown(
    '```md\n# no\n## Tagline\n```\n\n~~~\n# no\n~~~\n\n    # no\n\n<!--\n# no\n-->\n\n> # no\n\n\\# no\n\n## Tagline\n\nyes\n\n```\n## Problem\n',
  );
  expect(title).toBeUndefined();
  expect(sections).toEqual([{ heading: 'Tagline', depth: 2, text: 'yes\n\n```\n## Problem' }]);
});

test('line ends of Windows make no difference, and dashes further down are no front matter', () => {
  expect(readMarkdown('---\r\na: 1\r\n---\r\n# T\r\n\r\n## S\r\n\r\ntext\r\n')).toMatchObject({
    frontMatter: { a: 1 },
    title: 'T',
    sections: [{ heading: 'T' }, { heading: 'S', text: 'text' }],
  });
  expect(readMarkdown('text\n\n---\na: 1\n---\n').frontMatter).toEqual({});
  expect(readMarkdown('---\n---\n# T\n')).toMatchObject({ frontMatter: {}, title: 'T', problem: undefined });
});

test('front matter that is no YAML, or no mapping, is told, and the rest is read', () => {
  expect(readMarkdown('---\na: [1\n---\n# T\n')).toMatchObject({
    title: 'T',
    problem: expect.stringMatching(/not YAML/),
  });
  expect(readMarkdown('---\n- 1\n---\n# T\n')).toMatchObject({
    title: 'T',
    problem: expect.stringMatching(/no mapping|not a mapping/),
  });
  expect(readMarkdown('---\nnever closed\n')).toMatchObject({ frontMatter: {}, problem: undefined });
  const bomb = `---\na: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefgh'.replace(/./g, (l, i: number) => `${l}: &${l} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]\n`)}---\n# T\n`;
  expect(readMarkdown(bomb)).toMatchObject({ title: 'T', problem: expect.stringMatching(/alias/i) });
});
