import fc from 'fast-check';
import { bitsEncoder } from '../../../src/postgres/encode/bits.ts';
import type { ColumnEncoder } from '../../../src/postgres/encode/column.ts';
import { hstoreEncoder } from '../../../src/postgres/encode/hstore.ts';
import { inetEncoder } from '../../../src/postgres/encode/inet.ts';
import { intervalTextEncoder } from '../../../src/postgres/encode/interval.ts';
import { lsnEncoder } from '../../../src/postgres/encode/lsn.ts';
import { macaddrEncoder } from '../../../src/postgres/encode/macaddr.ts';
import { numericTextEncoder } from '../../../src/postgres/encode/numeric-text.ts';
import { multirangeEncoder, type RangeOf, rangeEncoder } from '../../../src/postgres/encode/range.ts';
import { timetzEncoder } from '../../../src/postgres/encode/timetz.ts';
import { xmlEncoder } from '../../../src/postgres/encode/xml.ts';
import {
  bits,
  cidr,
  clock,
  count,
  declaration,
  digits,
  hex,
  hstore,
  inet,
  integer,
  isoInterval,
  joined,
  mac,
  multirange,
  number,
  offset,
  padded,
  postgresInterval,
  range,
  smallNumber,
  text,
  xml,
} from './arbitraries.ts';

/** Values that Postgres reads, and that we must send as it would. */
export interface Legal {
  encoder: ColumnEncoder | undefined;
  /** The function that gives a value's binary form. */
  send: string;
  value: fc.Arbitrary<string>;
  byHand: string[];
}

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

export const LEGAL: Record<string, Legal> = {
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
