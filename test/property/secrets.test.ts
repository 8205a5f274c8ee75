import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maskLine, maskStrings, maskText } from '../../src/base/secrets.ts';
import { cases } from '../helpers/property.ts';

/** What nothing that is masked may hold; it stands at the end of a secret, after whatever could end the secret too early. */
const MARK = 'Zq7xW';

const text = (unit: fc.Arbitrary<string>) => fc.string({ unit, maxLength: 8 });
const quoteless = fc.constantFrom('a', '7', ' ', '=', '&', '@', ':', '/', ',', '}', 'ü', '😀', '%', '$', ';');
const bare = text(fc.constantFrom('a', '7', '=', '@', ':', '/', ',', '}', 'ü', '😀', '%', '$', ';', '\\'));
const name = fc.constantFrom(
  'password',
  'PGPASSWORD',
  'sslpassword',
  'aws_secret_access_key',
  'api-key',
  'session_token',
  'pwd',
);

const withMark = (value: fc.Arbitrary<string>) => value.map((start) => start + MARK);
const anything = text(fc.oneof(quoteless, fc.constantFrom('"', "'", '\\', '\n')));
const escaped = (value: string, quote: string) =>
  value.replaceAll(/["'\\]/g, (c) => (c === quote || c === '\\' ? `\\${c}` : c));

/** Secrets as they stand in texts. */
const written = fc.oneof(
  fc.tuple(name, fc.constantFrom('=', ' = '), withMark(bare)).map(([n, eq, value]) => `${n}${eq}${value}`),
  fc.tuple(name, withMark(text(quoteless))).map(([n, value]) => `${n}="${value}"`),
  fc.tuple(name, withMark(anything)).map(([n, value]) => `${n}="${escaped(value, '"')}"`),
  fc.tuple(name, withMark(anything)).map(([n, value]) => `${n}='${escaped(value, "'")}'`),
  fc.tuple(name, withMark(anything)).map(([n, value]) => `${n}='${value.replaceAll('\\', '').replaceAll("'", "''")}'`),
  fc.tuple(name, withMark(anything)).map(([n, value]) => JSON.stringify({ [n]: value })),
  fc.tuple(name, withMark(anything)).map(([n, value]) => JSON.stringify(JSON.stringify({ [n]: value }))),
  withMark(anything).map((value) => JSON.stringify(`host=db password="${escaped(value, '"')}" user=x`)),
  withMark(bare).map((value) => `https://db/x?password=${encodeURIComponent(value)}&sslmode=require`),
  withMark(bare).map((value) => `postgres://ops:${encodeURIComponent(value)}@db:5432/x`),
  withMark(text(fc.constantFrom('a', '7', '/', '@', ':', '#', "'"))).map(
    (value) => `postgres://ops:a${value}@db:5432/x`,
  ),
  withMark(anything).map((value) => `-----BEGIN RSA PRIVATE KEY-----\n${value}\n-----END RSA PRIVATE KEY-----`),
);
/** Around them: quotes that close, quotes that do not, other pairs. */
const around = fc.constantFrom(
  '',
  ' ',
  "it's ",
  'near "x" ',
  '{"a": ',
  '(',
  'https://h:80/x ',
  'user=me ',
  '\n',
  'C:\\dir ',
);
const sentence = fc.tuple(around, written, around).map((parts) => parts.join(''));

test('a masked text holds no part of a secret', () => {
  fc.assert(
    fc.property(sentence, (said) => !maskText(said).includes(MARK)),
    cases(3_000),
  );
});

test('a masked document is a document of the same shape, without secrets', () => {
  const shape = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (_k, v) => (typeof v === 'string' ? 'text' : v)));
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(sentence, { maxLength: 4 }), (value, said) => {
      const document = { level: 30, value, said, nested: [{ said: said.join(' ') }] };
      const answer = JSON.stringify(document, maskStrings);
      const line = maskLine(`${JSON.stringify(document)}\n`);
      expect(line.endsWith('\n')).toBe(true);
      for (const masked of [answer, line]) {
        expect(masked).not.toContain(MARK);
        expect(shape(JSON.parse(masked))).toEqual(shape(document));
      }
    }),
    cases(500),
  );
});

test.each([
  ['host=db password="x y" user=me', 'host=db password="***" user=me'],
  ["password='it''s' user=me", "password='***' user=me"],
  ["password = 'a\\'b' user=me", "password = '***' user=me"],
  ['password=a"b c', 'password=*** c'],
  ['say "password=abc", then go', 'say "password=***", then go'],
  ['{"password": "x y", "n": 1}', '{"password": "***", "n": 1}'],
  ['"{\\"password\\":\\"x y\\",\\"n\\":1}"', '"{\\"password\\":\\"***\\",\\"n\\":1}"'],
  ['h?password=a&sslmode=require', 'h?password=***&sslmode=require'],
  ['"postgres://u:p@ss/w@h/d"', '"postgres://u:***@h/d"'],
  ['never closed: token="x y\nnext line', 'never closed: token="***\nnext line'],
])('only the secret is hidden: %s', (said, masked) => {
  expect(maskText(said)).toBe(masked);
});

test.each([
  'no secret here: a token of thanks, a password that was forgotten',
  '{"token":"hello","tokens":"a b"}',
  'password: give one',
  'password=',
  "password=''",
  'see http://localhost:8080/runs/1 or mail a@b.c',
])('what is no secret stays: %s', (said) => {
  expect(maskText(said)).toBe(said);
});

test('a long text takes no long time', () => {
  for (const piece of [
    'a',
    '://a:',
    'password="',
    "token='",
    '\\',
    "password=a'b",
    '-----BEGIN PRIVATE KEY-----',
    '"',
  ]) {
    const startedMs = performance.now();
    for (const start of ['password=', 'password="', '://']) maskText(start + piece.repeat(50_000 / piece.length));
    expect(performance.now() - startedMs, piece).toBeLessThan(1_000);
  }
});
