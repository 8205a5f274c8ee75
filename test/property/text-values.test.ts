import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { from as copyFrom } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBatch, makeColumn, makeSchema } from '../../src/arrow/batch.ts';
import { fieldOf, type Kind } from '../../src/arrow/types.ts';
import { Checksum } from '../../src/postgres/checksum.ts';
import { BatchEncoder } from '../../src/postgres/encode/batch.ts';
import { bitsEncoder } from '../../src/postgres/encode/bits.ts';
import type { ColumnEncoder } from '../../src/postgres/encode/column.ts';
import { hstoreEncoder } from '../../src/postgres/encode/hstore.ts';
import { inetEncoder } from '../../src/postgres/encode/inet.ts';
import { intervalTextEncoder } from '../../src/postgres/encode/interval.ts';
import { lsnEncoder } from '../../src/postgres/encode/lsn.ts';
import { macaddrEncoder } from '../../src/postgres/encode/macaddr.ts';
import { numericTextEncoder } from '../../src/postgres/encode/numeric-text.ts';
import { parsed, Unfit } from '../../src/postgres/encode/parsed.ts';
import { multirangeEncoder, type RangeOf, rangeEncoder } from '../../src/postgres/encode/range.ts';
import { timetzEncoder } from '../../src/postgres/encode/timetz.ts';
import { xmlEncoder } from '../../src/postgres/encode/xml.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

/** Values that Postgres reads, and that we must send as it would. */
interface Legal {
  encoder: ColumnEncoder | undefined;
  /** The function that gives a value's binary form. */
  send: string;
  value: fc.Arbitrary<string>;
  byHand: string[];
}

/** Raise it after a change to an encoder; the ways to damage a value are many. */
const RUNS = 150;

const oneOf = fc.constantFrom;
const integer = (min: number, max: number) => fc.integer({ min, max });
const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: oneOf(...'0123456789'), minLength, maxLength });
const hex = (minLength: number, maxLength: number) =>
  fc.string({ unit: oneOf(...'0123456789abcdefABCDEF'), minLength, maxLength });
const joined = (...parts: fc.Arbitrary<unknown>[]) => fc.tuple(...parts).map((values) => values.join(''));
const maybe = (part: fc.Arbitrary<string>) => fc.option(part, { nil: '' });
const text = (value: string) => fc.constant(value);
const padded = (min: number, max: number) => integer(min, max).map((value) => String(value).padStart(2, '0'));
const big = (bits: bigint) => fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 2n }).map(String);

const sign = oneOf('', '-', '+');
const number = joined(
  sign,
  fc.oneof(digits(1, 30), joined(digits(1, 12), text('.'), digits(0, 30)), joined(text('.'), digits(1, 9))),
  maybe(joined(oneOf('e', 'E'), sign, integer(0, 60))),
);
/** Fits into numeric(9,3). */
const smallNumber = joined(oneOf('', '-'), digits(1, 6), maybe(joined(text('.'), digits(0, 3))));

const v4 = fc.ipV4();
const v6 = fc.ipV6();
const inet = fc.oneof(v4, joined(v4, text('/'), integer(0, 32)), v6, joined(v6, text('/'), integer(0, 128)));
const cidr = fc.oneof(
  v4,
  v6,
  fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), integer(0, 32)).map(([address, mask]) => {
    const kept = (address >> BigInt(32 - mask)) << BigInt(32 - mask);
    return `${[24n, 16n, 8n, 0n].map((shift) => (kept >> shift) & 255n).join('.')}/${mask}`;
  }),
);
const mac = (bytes: number) =>
  fc
    .tuple(fc.array(hex(2, 2), { minLength: bytes, maxLength: bytes }), oneOf(':', '-', ''))
    .map(([parts, separator]) => parts.join(separator));
const bits = (min: number, max: number) => fc.string({ unit: oneOf('0', '1'), minLength: min, maxLength: max });

const fraction = maybe(joined(text('.'), digits(1, 6)));
const clock = joined(padded(0, 23), text(':'), padded(0, 59), text(':'), padded(0, 59), fraction);
const offset = fc.oneof(
  text('Z'),
  joined(
    oneOf('+', '-'),
    padded(0, 15),
    maybe(joined(text(':'), padded(0, 59), maybe(joined(text(':'), padded(0, 59))))),
  ),
);
const day = joined(
  integer(1, 9999).map((year) => String(year).padStart(4, '0')),
  text('-'),
  padded(1, 12),
  text('-'),
  padded(1, 28),
);
const era = oneOf('', '', '', ' BC');
const date = fc.oneof(joined(day, era), oneOf('infinity', '-infinity'));
const timestamp = fc.oneof(joined(day, oneOf(' ', 'T'), clock, era), joined(day, era), oneOf('infinity', '-infinity'));
const timestamptz = fc.oneof(joined(day, oneOf(' ', 'T'), clock, offset, era), oneOf('infinity', '-infinity'));

const count = joined(oneOf('', '-', '+'), integer(0, 100_000));
const units: [string, ...string[]][] = [
  ['year', 'years'],
  ['mon', 'mons', 'month', 'months'],
  ['day', 'days'],
];
const postgresInterval = fc
  .tuple(
    ...units.map((names) => maybe(joined(count, text(' '), oneOf(...names)))),
    maybe(joined(sign, integer(0, 999), text(':'), padded(0, 59), text(':'), padded(0, 59), fraction)),
  )
  .map((parts) => parts.filter(Boolean).join(' ') || '00:00:00');
const isoCount = joined(oneOf('', '-'), integer(0, 100_000));
const isoInterval = fc
  .tuple(
    fc.tuple(...['Y', 'M', 'W', 'D'].map((unit) => maybe(joined(isoCount, text(unit))))),
    fc.tuple(
      ...['H', 'M'].map((unit) => maybe(joined(isoCount, text(unit)))),
      maybe(joined(isoCount, fraction, text('S'))),
    ),
  )
  .map(([before, after]) => `P${before.join('')}${after.join('') && `T${after.join('')}`}`)
  .map((value) => (value === 'P' ? 'PT0S' : value));

const BOUND: Record<RangeOf, { bound: fc.Arbitrary<string>; close: fc.Arbitrary<string> }> = {
  int4: { bound: big(32n), close: integer(-9, 9).map(String) },
  int8: { bound: big(64n), close: integer(-9, 9).map(String) },
  num: { bound: number, close: oneOf('1', '1.0', '1.00', '2', '2.5', '3', '-1e1', 'NaN', 'Infinity', '-inf') },
  date: { bound: date, close: oneOf('2024-02-28', '2024-02-29', '2024-03-01', '2024-03-02', 'infinity', '-infinity') },
  ts: { bound: timestamp, close: oneOf('2024-02-29', '2024-02-29 00:00:01', '2024-03-01 00:00:00', 'infinity') },
  tstz: { bound: timestamptz, close: oneOf('2024-02-29 00:00:00Z', '2024-02-29 02:00+02', '2024-02-29 00:00:00.1-01') },
};
const quotedBound = (bound: fc.Arbitrary<string>) =>
  fc.oneof(
    bound,
    bound.map((value) => `"${value}"`),
  );
const range = (of: RangeOf) => {
  const { bound, close } = BOUND[of];
  const pair = (one: fc.Arbitrary<string>) =>
    joined(oneOf('[', '('), maybe(quotedBound(one)), text(','), maybe(quotedBound(one)), oneOf(']', ')'));
  return fc.oneof(pair(close), pair(close), pair(bound), oneOf('empty', ' EMPTY '));
};
const multirange = (of: RangeOf) => fc.array(range(of), { maxLength: 6 }).map((ranges) => `{${ranges.join(oneComma)}}`);
const oneComma = ', ';

const word = fc.string({ unit: 'grapheme', maxLength: 8 }).map((value) => value.toWellFormed().replaceAll('\0', ''));
const escaped = word.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`);
const hstore = fc
  .array(joined(escaped, oneOf('=>', ' => '), fc.oneof(escaped, oneOf('NULL', 'null', 'bare', '"null"'))), {
    maxLength: 6,
  })
  .map((pairs) => pairs.join(', '));

const attributes = oneOf('', ' a="1"', ' a=\'&lt;\' b = "x"', ' x:y="&#65;"', ' é="\n"');
const { xml } = fc.letrec<{ xml: string }>((tie) => ({
  xml: fc.oneof(
    { depthSize: 'small' },
    oneOf('text', ' ', '', '&amp;', '&#x1F600;', '<!-- c -->', '<![CDATA[<&]]>', '<?p i?>', '<e/>', 'é', '\r\n', ']]'),
    fc
      .tuple(oneOf('a', 'ns:b', 'é'), attributes, tie('xml'))
      .map(([name, more, inner]) => `<${name}${more}>${inner}</${name}>`),
    joined(tie('xml'), tie('xml')),
  ),
}));
const declaration = oneOf(
  '',
  '<?xml version="1.0"?>',
  "<?xml version='1.0' encoding='ISO-8859-1'?>\n",
  '<?xml version="1.0" standalone="yes"?>\n',
  '<?xml version="1.1" encoding="UTF-8" standalone=\'no\' ?>',
);

const RANGES: RangeOf[] = ['int4', 'int8', 'num', 'date', 'ts', 'tstz'];
const NUMBERS = [
  '0',
  '-0',
  '-0.00',
  '1e-20',
  '1E+5',
  '1.5e3',
  '0e-7',
  'NaN',
  'nan',
  'Infinity',
  '-Infinity',
  'inf',
  '+inf',
  '.5',
  '5.',
  ' 12 ',
  '10000',
  '0.0001',
  '00012.3400',
  '1e131071',
  '1e-16383',
  '123456789012345678901234567890.123456789',
];
const RANGE_BY_HAND: Partial<Record<RangeOf, string[]>> = {
  int4: ['[1,3]', '(1,3)', '(,5]', '[ 1 , 2 ]', '(1,2)', '[2147483646,2147483647)', '(,)', '["1",\\2]'],
  num: ['[1.0,1.00]', '[1.0,1.00)', '(-Infinity,Infinity)', '[1e-20,NaN]'],
  date: [
    '[2024-01-01,infinity]',
    '(-infinity,2024-01-01]',
    '[4714-11-24 BC,5874897-12-30]',
    '[0001-01-01 BC,0001-01-01]',
  ],
  ts: [
    '[2024-01-01 24:00:00,)',
    '[4714-11-24 00:00:00 BC,294276-12-31 23:59:59.999999]',
    '["2024-01-01 10:00","2024-01-02"]',
  ],
  tstz: ['["2024-01-01 10:00:00+02","2024-01-01 08:00:00+00"]', '[2024-01-01T00:00:00.5Z,)', '(-infinity,infinity)'],
};
const MULTIRANGE_BY_HAND: Partial<Record<RangeOf, string[]>> = {
  int4: ['{}', ' { } ', '{[5,7),[1,3)}', '{[1,3),[3,5]}', '{[1,2),empty}', '{(,1],[1,)}', '{[1,9],[2,3]}'],
  num: ['{[1,2),(2,3]}', '{[1,2],(2,3]}', '{[1.0,2),[1.00,3)}', '{[1,3.00],[1,3.0]}'],
  date: ['{[2024-01-01,infinity],[infinity,)}', '{[2024-01-01,2024-01-31],[2024-02-01,2024-02-29]}'],
};

const LEGAL: Record<string, Legal> = {
  numeric: { encoder: numericTextEncoder('utf8', undefined), send: 'numeric_send', value: number, byHand: NUMBERS },
  'numeric(9,3)': {
    encoder: numericTextEncoder('utf8', { precision: 9, scale: 3 }),
    send: 'numeric_send',
    value: smallNumber,
    byHand: ['0', '999999.999', 'NaN', '1e-3', '1.500000', '1e5'],
  },
  'numeric(3,-2)': {
    encoder: numericTextEncoder('utf8', { precision: 3, scale: -2 }),
    send: 'numeric_send',
    value: integer(-999, 999).map((value) => `${value}00`),
    byHand: ['0', '99900', '1e4'],
  },
  'numeric(2,4)': {
    encoder: numericTextEncoder('utf8', { precision: 2, scale: 4 }),
    send: 'numeric_send',
    value: digits(1, 2).map((value) => `0.00${value}`),
    byHand: ['0.0099', '0.001', '0'],
  },
  inet: {
    encoder: inetEncoder('utf8', false),
    send: 'inet_send',
    value: inet,
    byHand: ['::ffff:1.2.3.4/128', '::1', '::', '1::/16', '1:2:3:4:5:6:7::', '10.1/16', '010.1.2.3', '0.0.0.0/0'],
  },
  cidr: {
    encoder: inetEncoder('utf8', true),
    send: 'cidr_send',
    value: cidr,
    byHand: ['10/8', '10.1/16', '192.168.0.0/23', '::/0', '2001:db8::/32', '1.2.3.4'],
  },
  macaddr: {
    encoder: macaddrEncoder('utf8', 6),
    send: 'macaddr_send',
    value: mac(6),
    byHand: [
      '08:00:2b:01:02:03',
      '8:0:2b:1:2:3',
      '08002b:010203',
      '08002b-010203',
      '0800.2b01.0203',
      '0800-2b01-0203',
      ' 08002b010203 ',
    ],
  },
  macaddr8: {
    encoder: macaddrEncoder('utf8', 8),
    send: 'macaddr8_send',
    value: fc.oneof(mac(6), mac(8)),
    byHand: ['08002b:0102030405', '0800.2b01.0203.0405', '08002b-010203'],
  },
  bit: { encoder: bitsEncoder('utf8', 1, false), send: 'bit_send', value: bits(1, 1), byHand: ['b1'] },
  'bit(11)': {
    encoder: bitsEncoder('utf8', 11, false),
    send: 'bit_send',
    value: bits(11, 11),
    byHand: ['B10101010101'],
  },
  varbit: {
    encoder: bitsEncoder('utf8', -1, true),
    send: 'varbit_send',
    value: fc.oneof(bits(0, 70), joined(text('x'), hex(0, 9))),
    byHand: ['', 'X', 'xAf', '1'],
  },
  'varbit(9)': { encoder: bitsEncoder('utf8', 9, true), send: 'varbit_send', value: bits(0, 9), byHand: ['x1f'] },
  pg_lsn: {
    encoder: lsnEncoder('utf8'),
    send: 'pg_lsn_send',
    value: joined(hex(1, 8), text('/'), hex(1, 8)),
    byHand: ['0/0', 'FFFFFFFF/FFFFFFFF'],
  },
  timetz: {
    encoder: timetzEncoder('utf8', -1),
    send: 'timetz_send',
    value: joined(clock, offset),
    byHand: ['04:05:06.7+02', '24:00:00+00', '00:00-15:59:59', '04:05:06Z', '10:00:00.1234560 -03'],
  },
  'timetz(2)': {
    encoder: timetzEncoder('utf8', 2),
    send: 'timetz_send',
    value: joined(padded(0, 23), text(':'), padded(0, 59), text(':'), padded(0, 59), text('.'), digits(1, 2), offset),
    byHand: ['04:05:06.70000+02'],
  },
  interval: {
    encoder: intervalTextEncoder('utf8', -1, true),
    send: 'interval_send',
    value: fc.oneof(postgresInterval, isoInterval),
    byHand: [
      '1 year 2 mons 3 days 04:05:06.7',
      '-1 years -2 mons +3 days -04:05:06.7',
      '-00:00:01',
      '-00:00:00.5',
      'P1Y2M3DT4H5M6.7S',
      'P-1Y-2M3DT-4H-5M-6.7S',
      'PT-0.5S',
      'PT0S',
      'P2W',
      '@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs ago',
      '-178000000 years',
      '2562047788:00:54.775807',
      '04:05',
      'infinity',
      '-infinity',
    ],
  },
  'interval day to minute': {
    encoder: intervalTextEncoder('utf8', 201_916_415, true),
    send: 'interval_send',
    value: joined(count, text(' days '), padded(0, 99), text(':'), padded(0, 59)),
    byHand: ['1 year 2 days 03:04'],
  },
  'interval(3)': {
    encoder: intervalTextEncoder('utf8', 2_147_418_115, true),
    send: 'interval_send',
    value: joined(text('1 day 00:00:01.'), digits(0, 3)),
    byHand: ['00:00:01.500000'],
  },
  hstore: {
    encoder: hstoreEncoder('utf8'),
    send: 'hstore_send',
    value: hstore,
    byHand: [
      '',
      ' ',
      '"a"=>"1", b=>NULL',
      'b=>1,aa=>2,a=>3',
      'a=>1,a=>2',
      '"a\\"b"=>"c\\\\"',
      'a=>b=c',
      'é=>"ü",z=>"",',
      'a=>,,b=>1',
      '""=>""',
      'a=>\\null',
    ],
  },
  xml: {
    encoder: xmlEncoder('utf8'),
    send: 'settled_xml_send',
    value: joined(declaration, xml),
    byHand: [
      '',
      'text',
      '\n<a/>',
      '<a/><b/>',
      '<?xml-stylesheet href="x"?><a/>',
      '<?xml version="1.0" encoding="latin1"?>é',
    ],
  },
  ...Object.fromEntries(
    RANGES.flatMap((of): [string, Legal][] => [
      [
        `${of}range`,
        {
          encoder: rangeEncoder('utf8', of),
          send: 'range_send',
          value: range(of),
          byHand: ['empty', '(,)', '[,]', ...(RANGE_BY_HAND[of] ?? [])],
        },
      ],
      [
        `${of}multirange`,
        {
          encoder: multirangeEncoder('utf8', of),
          send: 'multirange_send',
          value: multirange(of),
          byHand: ['{}', '{empty}', '{(,)}', ...(MULTIRANGE_BY_HAND[of] ?? [])],
        },
      ],
    ]),
  ),
};

/** Values that are rejected, and why; Postgres refuses them too, or would change them. */
const ILLEGAL: [type: keyof typeof LEGAL, reason: string, ...values: string[]][] = [
  ['numeric', 'not_a_number', '', '.', 'e5', '1.2.3', '1,5', 'abc', '--1', '-NaN', '__proto__', '1 2'],
  ['numeric', 'out_of_range', '1e131072', '1e-16384', '1e99999999999'],
  ['numeric(9,3)', 'out_of_range', '1000000', '1e6', 'Infinity', '-inf'],
  ['numeric(9,3)', 'would_round', '1.2345', '1e-4', '-0.0001'],
  ['numeric(3,-2)', 'would_round', '12345', '1'],
  ['numeric(3,-2)', 'out_of_range', '100000'],
  ['numeric(2,4)', 'out_of_range', '0.01', '1'],
  [
    'inet',
    'not_an_address',
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4/33',
    '::/129',
    '1::2::3',
    ':',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '10/16',
    ' 1.2.3.4',
    'fe80::1%eth0',
    '::1.2.3.04',
  ],
  ['cidr', 'bits_right_of_mask', '10.0.0.1/8', '::1/127', '192.168.1.0/23'],
  [
    'macaddr',
    'not_a_mac_address',
    '',
    '08:00:2b:01:02',
    '08:00:2b:01:02:zz',
    '08:00-2b:01:02:03',
    '08:00:2b:01:02:03:04',
    '-8:0:2b:1:2:3',
  ],
  ['macaddr8', 'not_a_mac_address', '08:00:2b:01:02', '08:00-2b:01:02:03', '8:0:2b:1:2:3'],
  ['bit(11)', 'wrong_length', '', '1', '101010101010'],
  ['bit(11)', 'not_bits', '12', 'y1', ' 1'],
  ['varbit(9)', 'too_long', '1010101010', 'xfff'],
  ['pg_lsn', 'not_an_lsn', '', '1', '1/', '/1', '1/123456789', 'g/0'],
  ['timetz', 'no_offset', '04:05:06'],
  ['timetz', 'not_a_time', '', '25:00:00+00', '24:00:00.1+00', '12:60:00+00', 'noon'],
  ['timetz', 'out_of_range', '12:00:00+16', '12:00:00-16:00'],
  ['timetz', 'would_round', '12:00:00.1234567+00'],
  ['timetz(2)', 'would_round', '12:00:00.123+00'],
  [
    'interval',
    'not_an_interval',
    '',
    'P',
    'PT',
    '1 fortnight',
    '1 constructor',
    'day',
    '1 day 2 days',
    '1.5 days',
    '1:2:3:4',
    '01:60:00',
    '1',
  ],
  ['interval', 'out_of_range', '178956971 years', '2562047789:00:00', '3000000000 days'],
  ['interval', 'would_round', '00:00:00.1234567', 'PT0.0000001S'],
  ['interval(3)', 'would_round', '00:00:00.1234'],
  ['interval day to minute', 'would_round', '1 day 00:00:01'],
  ['int4range', 'not_a_range', '', '[1,2', '1,2', '[1;2]', '[a,b]', '[1,2]x', '[1,2,3]', '["1,2]', '[1.5,2]'],
  ['int4range', 'lower_above_upper', '[3,1]', '(2,1)'],
  ['int4range', 'out_of_range', '[1,2147483648)', '[1,2147483647]', '(2147483647,)'],
  ['int8range', 'out_of_range', '[1,9223372036854775807]', '[-9223372036854775809,)'],
  ['numrange', 'not_a_range', '["",1]', '[a,1]'],
  ['daterange', 'not_a_range', '[2023-02-29,)', '[0000-01-01,)', '[01/02/2024,)', '[today,)', '[2024-13-01,)'],
  ['daterange', 'out_of_range', '[,5874897-12-31]', '[,5874898-01-01)', '[4714-11-23 BC,)'],
  ['tsrange', 'unexpected_offset', '[2024-01-01 00:00:00+02,)'],
  ['tsrange', 'not_a_range', '[now,)', '[2024-01-01 25:00:00,)', '[2024-02-30,)'],
  ['tsrange', 'would_round', '[2024-01-01 00:00:00.1234567,)'],
  ['tsrange', 'out_of_range', '[294277-01-01,)'],
  ['tstzrange', 'no_offset', '[2024-01-01 00:00:00,)', '[2024-01-01,)'],
  [
    'int4multirange',
    'not_a_multirange',
    '',
    '{',
    '[1,2)',
    '{[1,2)',
    '{[1,2),}',
    '{[1,2)}x',
    '{[1,2) [3,4)}',
    '{emptyx}',
  ],
  ['int4multirange', 'lower_above_upper', '{[3,1)}'],
  ['hstore', 'not_an_hstore', 'a', 'a=>', '"a""b"=>"c"', '=>1', 'a=1', 'a= >1', '"a=>1', 'a=>1 b=>2', 'a=>"1'],
  [
    'xml',
    'not_xml',
    '<a>',
    '</a>',
    '<a></b>',
    '<a b="1" b="2"/>',
    '<a b=1/>',
    '<a b="1"c="2"/>',
    '&nbsp;',
    '&',
    '&#0;',
    '&AMP;',
    'a<b',
    ']]>',
    '<!-- -- -->',
    '<a/><?xml version="1.0"?>',
    ' <?xml version="1.0"?><a/>',
    '\u0001',
    '<1/>',
    '<![CDATA[',
    '<!DOCTYPE a><a/>',
  ],
];

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await database.pool.query('create extension hstore');
  // Postgres takes one line break from the start whenever it sends xml; the image is what no longer changes.
  await database.pool.query(
    `create function settled_xml_send(xml) returns bytea language sql
     as $$ select xml_send(xmlparse(content ltrim(convert_from(xml_send($1), 'UTF8'), e'\\n'))) $$`,
  );
});
afterAll(() => database.drop());

interface Cell {
  /** In hexadecimal; null for null. */
  image?: string | null;
  reason?: string;
}

/** What becomes of each value, by way of the batch encoder, which asks only for the stretches between faults. */
function encode(encoder: ColumnEncoder, values: (string | null)[], kind: Kind = 'utf8'): Cell[] {
  const buffers = values.map((value) => Buffer.from(value ?? ''));
  const valueOffsets = new Int32Array(values.length + 1);
  const validity = new Uint8Array(Math.ceil(values.length / 8));
  for (const [index, buffer] of buffers.entries()) {
    valueOffsets[index + 1] = valueOffsets[index]! + buffer.length;
    if (values[index] !== null) validity[index >> 3]! |= 1 << (index & 7);
  }
  const field = fieldOf('v', kind);
  const column = makeColumn(field.type, values.length, { data: Buffer.concat(buffers), valueOffsets, validity });
  const batch = makeBatch(makeSchema([field]), values.length, [column]);
  const batchEncoder = new BatchEncoder([{ name: 'v', position: 0, encoder, notNull: false }]);
  const cells: Cell[] = values.map(() => ({}));
  let from = 0;
  const stretch = (to: number) => {
    for (const piece of batchEncoder.cut(batch, from, to)) {
      const out = Buffer.alloc(piece.bytes, 0xee);
      batchEncoder.encode(batch, piece, out, new Checksum());
      for (let row = piece.from, at = 0; row < piece.to; at += piece.sizes[row++ - piece.from]!) {
        const length = out.readInt32BE(at + 2);
        expect(piece.sizes[row - piece.from]).toBe(6 + Math.max(0, length));
        cells[row]!.image = length < 0 ? null : out.subarray(at + 6, at + 6 + length).toString('hex');
      }
    }
  };
  for (const { row, reason, message } of batchEncoder.check(batch)) {
    cells[row]!.reason = reason;
    expect(message).toMatch(/\w{3}/);
    if (from < row) stretch(row);
    from = row + 1;
  }
  if (from < values.length) stretch(values.length);
  return cells;
}

/** What Postgres makes of each value: its image, null for null, or undefined where it refuses. */
async function postgresImages(
  type: string,
  send: string,
  values: (string | null)[],
): Promise<(string | null | undefined)[]> {
  const ask = (some: (string | null)[]) =>
    database.pool.query(
      `select ok, case when ok then encode(${send}(v::${type}), 'hex') end as image
       from (select v, n, coalesce(pg_input_is_valid(v, $2), true) as ok
             from unnest($1::text[]) with ordinality u(v, n) offset 0) s order by n`,
      [some, type],
    );
  const image = ({ rows }: Awaited<ReturnType<typeof ask>>) => rows.map((row) => (row.ok ? row.image : undefined));
  try {
    return image(await ask(values));
  } catch {
    // A bad XML declaration is an error even to pg_input_is_valid.
    return Promise.all(
      values.map((value) =>
        ask([value]).then(
          (result) => image(result)[0],
          () => undefined,
        ),
      ),
    );
  }
}

/** What a column of the type sends after it got the images through COPY. */
async function received(type: string, send: string, images: string[]): Promise<string[]> {
  const client = await database.pool.connect();
  try {
    await client.query(`create temp table received (n serial, v ${type})`);
    const rows = images.map((image) => {
      const head = Buffer.alloc(6);
      head.writeInt16BE(1);
      head.writeInt32BE(image.length / 2, 2);
      return Buffer.concat([head, Buffer.from(image, 'hex')]);
    });
    const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
    const copy = client.query(copyFrom('copy received (v) from stdin (format binary)'));
    await pipeline(Readable.from([Buffer.concat([signature, ...rows, Buffer.of(0xff, 0xff)])]), copy);
    const result = await client.query(`select encode(${send}(v), 'hex') as image from received order by n`);
    return result.rows.map(({ image }) => image);
  } finally {
    await client.query('drop table if exists received');
    client.release();
  }
}

/** A character that means something in the type's text put in, or one taken away. */
const damage = (value: string, place: number, character: string, taken: number) => {
  const at = place % (value.length + 1);
  return value.slice(0, at) + character + value.slice(at + taken);
};

describe.each(Object.entries(LEGAL))('%s', (type, { encoder, send, value, byHand }) => {
  const compare = async (values: (string | null)[]) => {
    const wanted = await postgresImages(type, send, values);
    return encode(encoder!, values).map((cell, index) => ({ value: values[index], cell, wanted: wanted[index] }));
  };

  test('by hand, as Postgres sends it', async () => {
    for (const { value, cell, wanted } of await compare([null, ...byHand])) {
      expect({ value, image: cell.image, reason: cell.reason }).toEqual({ value, image: wanted, reason: undefined });
    }
  });

  test('as Postgres sends it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(value, { freq: 9 }), { minLength: 1, maxLength: 40 }), async (values) => {
        for (const { value, cell, wanted } of await compare(values)) {
          // Ranges that are made at random may be upside down.
          if (wanted === undefined)
            expect({ value, reason: cell.reason }).toEqual({ value, reason: expect.any(String) });
          else
            expect({ value, image: cell.image, reason: cell.reason }).toEqual({
              value,
              image: wanted,
              reason: undefined,
            });
        }
      }),
      { numRuns: RUNS },
    );
  });

  test('as Postgres receives it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 100 }), async (values) => {
        const images = encode(encoder!, [...values, ...byHand]).flatMap(({ image }) => image ?? []);
        expect(await received(type, send, images)).toEqual(images);
      }),
      { numRuns: 10 },
    );
  });

  test('damaged, as Postgres sends it or not at all', async () => {
    const character = fc.oneof(text(''), oneOf(...'0123459 .,:;/-+=<>"\\[](){}eEPTxZ\tABC_@&!?'));
    const damaged = fc.tuple(fc.oneof(value, oneOf(...byHand)), fc.nat(60), character, integer(0, 2));
    await fc.assert(
      fc.asyncProperty(fc.array(damaged, { minLength: 1, maxLength: 40 }), async (changes) => {
        // Postgres itself is inexact with a fraction behind so many seconds.
        const values = changes.map((change) => damage(...change)).filter((one) => !/^P.*\d{10}\.\d/.test(one));
        for (const { value, cell, wanted } of await compare(values)) {
          if (cell.reason === undefined) expect({ value, image: cell.image }).toEqual({ value, image: wanted });
        }
      }),
      { numRuns: RUNS },
    );
  });
});

test.each(ILLEGAL)('%s rejects with %s', (type, reason, ...values) => {
  const cells = encode(LEGAL[type]!.encoder!, values);
  expect(cells.map((cell, index) => [values[index], cell])).toEqual(values.map((value) => [value, { reason }]));
});

describe('hstore from JSON', () => {
  const encoder = hstoreEncoder('json')!;

  test('as Postgres sends the same pairs', async () => {
    const plain = fc.oneof(
      word,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(word, plain, { maxKeys: 12 }), async (object) => {
        const json = JSON.stringify(object);
        const entries: [string, unknown][] = Object.entries(JSON.parse(json));
        const { rows } = await database.pool.query(
          `select encode(hstore_send(hstore($1::text[], $2::text[])), 'hex') as image`,
          [entries.map(([key]) => key), entries.map(([, value]) => (value === null ? null : String(value)))],
        );
        expect(encode(encoder, [json, null], 'json')).toEqual([{ image: rows[0].image }, { image: null }]);
      }),
      { numRuns: 200 },
    );
  });

  test('keeps every digit of a number', () => {
    const [cell] = encode(encoder, ['{"a": 12345678901234567890.10}'], 'json');
    expect(Buffer.from(cell!.image!, 'hex').toString()).toContain('12345678901234567890.10');
  });

  test.each([
    ['nested_value', '{"a": {"b": 1}}', '{"a": 1, "b": []}', '{"a": [1]}'],
    ['not_an_hstore', '[]', '1', 'null', '"a"'],
    ['invalid_json', '', '{', '{"a"}', '"a"=>"b"'],
    ['nul_in_text', '{"a": "\\u0000"}', '{"\\u0000": 1}'],
    ['invalid_utf8', '{"a": "\\ud800"}'],
  ])('rejects with %s', (reason, ...values) => {
    expect(encode(encoder, values, 'json')).toEqual(values.map(() => ({ reason })));
  });
});

test('what is no text at all is rejected, whichever the type', () => {
  const values = ['a=>\0', 'a=>b'];
  expect(encode(hstoreEncoder('utf8')!, values).map(({ reason }) => reason)).toEqual(['nul_in_text', undefined]);
});

test('a batch is parsed once', () => {
  const seen: string[] = [];
  const encoder = parsed((value) => {
    seen.push(value);
    if (value === 'b') throw new Unfit('b does not fit');
    return Buffer.from(value);
  }, 'unfit');
  expect(encode(encoder, ['a', 'b', null, 'c'])).toEqual([
    { image: '61' },
    { reason: 'unfit' },
    { image: null },
    { image: '63' },
  ]);
  expect(seen).toEqual(['a', 'b', 'c']);
});

test('only text is read', () => {
  const factories: ((kind: Kind) => ColumnEncoder | undefined)[] = [
    (kind) => numericTextEncoder(kind, undefined),
    (kind) => inetEncoder(kind, false),
    (kind) => macaddrEncoder(kind, 6),
    (kind) => bitsEncoder(kind, -1, true),
    (kind) => lsnEncoder(kind),
    (kind) => timetzEncoder(kind, -1),
    (kind) => intervalTextEncoder(kind, -1, true),
    (kind) => rangeEncoder(kind, 'int4'),
    (kind) => multirangeEncoder(kind, 'int4'),
    (kind) => xmlEncoder(kind),
    (kind) => hstoreEncoder(kind),
  ];
  for (const factory of factories) {
    expect(factory('binary')).toBeUndefined();
    expect(factory('int32')).toBeUndefined();
  }
});
