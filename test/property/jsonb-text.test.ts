import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonEncoder } from '../../src/postgres/encode/json.ts';
import { JsonbBytes } from '../../src/postgres/encode/jsonb-bytes.ts';
import { jsonbText } from '../../src/postgres/encode/jsonb-text.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { encodeValues } from '../helpers/encode-values.ts';
import { cases } from '../helpers/property.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

async function byPostgres(texts: readonly string[]): Promise<string[]> {
  const { rows } = await database.pool.query<{ text: string }>(
    'select t::jsonb::text as text from unnest($1::text[]) with ordinality u(t, n) order by n',
    [texts],
  );
  return rows.map(({ text }) => text);
}

const ODD = [
  '{"b":1,"a":2,"aa":0,"b":3}',
  '{"é":1,"zz":2,"z":3,"ää":4,"\\u00e9":5}',
  '{"a\\nb":1,"a\\u000ab":2,"":0}',
  '[-0, -0.00, 0e5, 1e3, 1.50E+1, 1.5e-7, -12.340e2, 1E-2, 100e-2, 0.10e1, 1e200]',
  '[9007199254740993, 0.1000000000000000055511151231257827021181583404541015625]',
  ' { "a" : [ ] , "b" : { } , "c" : "\\/\\u0041\\ud83d\\ude00\\u001f\\u007f" } ',
  '"\\\\\\"\\b\\f\\n\\r\\t"',
  'true',
  '{"__proto__":{"x":1},"constructor":2}',
];

test('odd documents look as jsonb shows them', async () => {
  expect(ODD.map(jsonbText)).toEqual(await byPostgres(ODD));
});

/** A number as JSON may write it, with more digits than JavaScript has. */
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(
      fc.constant('0'),
      fc.bigInt({ min: 1n, max: 10n ** 40n }).map(String),
      fc.nat(99).map((value) => String(value + 1)),
    ),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,25}$/), fc.stringMatching(/^\.0{1,9}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?[0-9]{1,2}$/)),
  )
  .map((parts) => parts.join(''));
const text = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((value) => JSON.stringify(value.toWellFormed().replaceAll('\0', '')))
  .chain((value) => fc.constantFrom(value, value.replaceAll('a', '\\u0061').replaceAll('/', '\\/')));
const key = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('"a"', '"b"', '"aa"', '"é"', '"\\u0061"') }, text);
const space = fc.constantFrom('', ' ', '\n\t');
const document = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(number, text, fc.constantFrom('true', 'false', 'null')),
    fc.tuple(fc.array(tie('value'), { maxLength: 4 }), space).map(([all, s]) => `[${s}${all.join(`,${s}`)}${s}]`),
    fc
      .tuple(fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }), space)
      .map(([all, s]) => `{${s}${all.map(([k, v]) => `${k}${s}:${s}${v}`).join(`${s},`)}${s}}`),
  ),
})).value;

/** As the quicker way writes them, one behind the other; undefined for those that it leaves to the other. */
function quickly(documents: readonly string[]): (string | undefined)[] {
  const input = Buffer.from(documents.join(''));
  const written = new JsonbBytes();
  let from = 0;
  return documents.map((document) => {
    const start = written.length;
    const to = from + Buffer.byteLength(document);
    const whole = written.append(input, from, to);
    from = to;
    return whole ? Buffer.from(written.bytes.subarray(start, written.length)).toString() : undefined;
  });
}

test('an object of many members is put into order like one of few', () => {
  const names = Array.from({ length: 500 }, (_, index) => (index * 7919) % 250);
  const large = `{${names.map((name, value) => `"k${name}":${value}`).join(',')}}`;
  expect(quickly([large])).toEqual([jsonbText(large)]);
});

test('the quicker way leaves nothing aside that is usual', () => {
  const usual = ['{"b":[1,-2.5,0.25],"aa":{"x":"é","a":null,"x":true}}', ' [ ] ', '-0.5', '12', '{}', '"text"', '7'];
  expect(quickly(usual)).toEqual(usual.map(jsonbText));
  const odd = [
    '1e5',
    '-0',
    '-0.00',
    '"\\n"',
    '01',
    '1.',
    '{"a":1,}',
    '[1 2]',
    'tru',
    '"',
    '[',
    '',
    '{"a" 1}',
    '\u0001',
    '"\t"',
  ];
  expect(odd.map((one) => quickly([one])[0])).toEqual(odd.map(() => undefined));
});

test('any document is written as jsonb writes it, and writing it once more changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(document, { minLength: 20, maxLength: 40 }), async (documents) => {
      const written = documents.map(jsonbText);
      expect(written).toEqual(await byPostgres(documents));
      expect(written.map(jsonbText)).toEqual(written);
      expect(quickly(documents)).toEqual(
        written.map((one, at) => (quickly([documents[at]!])[0] === undefined ? undefined : one)),
      );
    }),
    cases(150),
  );
});

test('what jsonb does not take is a reject with its reason, and nothing that it takes is one', () => {
  const reasons = encodeValues(
    jsonEncoder('utf8', true)!,
    ['"\\ud800"', '{"\\udc00":1}', '"\\ud83d\\ude00"', '"\\\\ud800"', '"\\u0000"', '1e999999', '{', '1e200'],
    'utf8',
  ).map(({ reason }) => reason);
  expect(reasons).toEqual([
    ...['invalid_utf8', 'invalid_utf8', undefined, undefined],
    ...['nul_in_text', 'out_of_range', 'invalid_json', undefined],
  ]);
});

test('a document deeper than any stack is left to Postgres', () => {
  const [deep] = encodeValues(jsonEncoder('utf8', true)!, ['['.repeat(100_000) + ']'.repeat(100_000)], 'utf8');
  expect(deep!.reason).toBeUndefined();
});
