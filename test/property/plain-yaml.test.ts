import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ExactNumber } from '../../src/base/json.ts';
import { readMarkdown } from '../../src/sources/run-directory/markdown.ts';
import { plainYaml } from '../../src/sources/run-directory/plain-yaml.ts';
import { cases } from '../helpers/property.ts';

const word = fc.constantFrom(
  ...['ritual', 'la-maison', 'Kōdō', 'two words', 'a/b (c)', 'opp_4', 'e', 'n.a.', 'yes', 'No', '棚', 'x-', 'y2'],
  ...[
    'null',
    'true',
    'False',
    'NULL',
    '~',
    '',
    '-',
    '- a',
    '?',
    'a: b',
    'a #b',
    'a#b',
    "it's",
    '{a: 1}',
    '&x',
    '*x',
    '|',
  ],
  ...[
    '1',
    '-0',
    '12.50',
    '007',
    '1e3',
    '0x1f',
    '.5',
    '5.',
    '+1',
    '12345678901234567890',
    '2026-01-05',
    '.nan',
    '1_000',
  ],
  ...[
    '"4"',
    '""',
    '"a, b"',
    '"a]"',
    String.raw`"\n"`,
    '"a" b',
    "'x'",
    '"x',
    '[',
    ']',
    'a ',
    ' a',
    '\t',
    'é\u0301',
    '\u00a0x',
  ],
);
const list = fc.array(word, { maxLength: 3 }).map((words) => `[${words.join(', ')}]`);
const name = fc.constantFrom(
  'brand_id',
  'tags',
  'serial',
  'a-b',
  'null',
  'True',
  '__proto__',
  'constructor',
  '1',
  'a b',
  '"q"',
);
const line = fc.oneof(
  { weight: 19, arbitrary: fc.tuple(name, fc.oneof(word, list)).map(([key, value]) => `${key}: ${value}`) },
  { weight: 1, arbitrary: fc.constantFrom('', '# note', 'key:', 'key:value', '  indented: 1', '- item', '...', '%x') },
);

/** With doubles in the place of exact numbers, as the library has them. */
const rounded = (value: unknown): unknown => {
  if (value instanceof ExactNumber) return Number(value.text);
  return Array.isArray(value) ? value.map(rounded) : value;
};

test('what is read as plain YAML is what YAML says', () => {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 3 }), fc.constantFrom('\n', '\r\n'), (lines, end) => {
      const text = lines.map((one) => one + end).join('');
      const found = plainYaml(text);
      if (!found) return;
      plain++;
      const members = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, rounded(value)]));
      expect(members).toEqual(parse(text));
    }),
    cases(3000),
  );
  expect(plain).toBeGreaterThan(20);
});

test('numbers keep their digits, and what is in doubt goes to the library', () => {
  const { frontMatter } = readMarkdown('---\nserial: 12345678901234567890\ntags: [ritual, "4", 1.50]\n---\n# Title\n');
  expect(frontMatter).toEqual({ serial: new ExactNumber('12345678901234567890'), tags: ['ritual', '4', 1.5] });
  expect(plainYaml('a: 1\na: 2\n')).toBeUndefined();
  expect(plainYaml('a: {b: 1}\n')).toBeUndefined();
  expect(plainYaml('')).toBeUndefined();
});
