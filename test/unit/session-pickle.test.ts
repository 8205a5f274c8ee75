import { describe, expect, test } from 'vitest';
import { Call, Instance, pickle, Tuple, uuid } from '../../jobs/samples/pickle.ts';
import { readPickle } from '../../src/sources/session/pickle.ts';
import { plain } from '../../src/sources/session/plain.ts';
import { Unreadable } from '../../src/sources/session/python.ts';
import { PYTHON_PICKLES } from '../helpers/session/python-pickles.ts';

const read = (bytes: Uint8Array) => plain(readPickle(bytes));
const program = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

const EVERYTHING = [
  ...[null, true, false, 7, -1, 2n ** 70n, -(2n ** 70n), 0.1, 'Infinity', 'é💧\u2028\0\n\\u0041', 'a\ud800b'],
  ...[{ $base64: 'AP8=' }, { $base64: 'YWI=' }, [1, [2, 3], []], [5], [6]],
  ...['2025-12-04T10:50:20.989552', '2025-01-02T03:04:05-05:30', '2024-02-29', '23:59:01.000005', 'P-1DT3.000007S'],
  ...['1.50', { k: 1 }, { a: [1] }, [1, 2]],
  { $class: 'm.Thing', self: { $ref: '$[25]' }, color: -1, id: '6513270e-269e-4d37-b2a7-4de452e6b438' },
];

test.each(
  PYTHON_PICKLES.map((bytes, protocol) => [protocol, bytes] as const),
)('what Python writes in protocol %i is read whole', (_, bytes) => {
  expect(read(bytes)).toEqual(EVERYTHING);
});

test('zones are told by offset or by name, and enumerations of any protocol by value or by member', () => {
  const packed = Buffer.from([0x07, 0xe9, 12, 4, 10, 50, 20, 0, 0, 0]);
  const zone = new Call('zoneinfo', 'ZoneInfo._unpickle', 'Africa/Nairobi', true);
  expect(read(pickle(new Call('datetime', 'datetime', packed, zone)))).toBe('2025-12-04T10:50:20[Africa/Nairobi]');
  expect(read(program('cbuiltins\ngetattr\n(cmain\nColor\nVRED\ntR.'))).toBe('main.Color.RED');
});

test('calls are never made: they are told by name, with what would be given to them', () => {
  const never = new Call('os', 'system', 'touch /tmp/never', 1);
  expect(read(pickle(never))).toEqual({ $class: 'os.system', $args: ['touch /tmp/never', 1] });
  expect(read(program('cbuiltins\neval\n(S"1+1"\nS"x"\ntR.'))).toEqual({
    $class: 'builtins.eval',
    $args: ['1+1', 'x'],
  });
  expect(read(program('(S"x"\nI1\nios\nsystem\n.'))).toEqual({ $class: 'os.system', $args: ['x', 1] });
  const poisoned = new Map([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
  const object = read(pickle(poisoned)) as Record<string, unknown>;
  expect(Object.entries(object)).toEqual([
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
});

test('what holds itself becomes a reference to where it began', () => {
  const node = new Instance('main', 'Node', { name: 'a' });
  node.attributes.next = new Instance('main', 'Node', { name: 'b', back: node });
  expect(read(pickle({ start: node }))).toEqual({
    start: {
      $class: 'main.Node',
      name: 'a',
      next: { $class: 'main.Node', name: 'b', back: { $ref: '$.start' } },
    },
  });
});

test('keys that are no text stay apart', () => {
  expect(
    read(
      pickle(
        new Map([
          [1, 'a'],
          [2, 'b'],
        ]),
      ),
    ),
  ).toEqual({ 1: 'a', 2: 'b' });
  expect(
    read(
      pickle(
        new Map<number | string, string>([
          [1, 'a'],
          ['1', 'b'],
        ]),
      ),
    ),
  ).toEqual({
    $items: [
      [1, 'a'],
      ['1', 'b'],
    ],
  });
  expect(read(pickle(new Map([[new Tuple(1, 2), 'a']])))).toEqual({ $items: [[[1, 2], 'a']] });
  expect(read(pickle(new Map([[uuid('6513270e-269e-4d37-b2a7-4de452e6b438'), 1]])))).toEqual({
    '6513270e-269e-4d37-b2a7-4de452e6b438': 1,
  });
});

describe('bombs are refused within a moment', () => {
  const laughs = (levels: number) => {
    let value: unknown[] = ['ha'];
    for (let level = 0; level < levels; level++) value = [value, value];
    return pickle(value as never);
  };
  const many = (count: number, one: string) => one.repeat(count);
  const bombs: [string, Uint8Array, string][] = [
    ['lists of the same lists', laughs(60), 'too_large'],
    ['values a thousand deep', program(many(1000, '('), 'N', many(1000, 'l'), '.'), 'too_large'],
    ['a million and one instructions', program(many(1_000_001, 'N0'), 'N.'), 'too_large'],
    [
      'a set copied again and again',
      program('(', many(9000, 'K\x01'), 'lp0\n0', many(9000, 'cbuiltins\nset\n(g0\ntR0'), 'N.'),
      'too_large',
    ],
    [
      'a state given again and again',
      program(
        'cm\nT\n)\x81}p0\n(',
        many(9000, 'I1\nI1\n').replace(/I1\nI1\n/g, (_, at: number) => `I${at}\nN`),
        'u0',
        many(9000, 'g0\nb'),
        '.',
      ),
      'too_large',
    ],
    ['an integer of a million digits', program('L', many(1_000_000, '9'), 'L\n.'), 'too_large'],
    ['an integer of a million bytes', program('\x8b\x40\x42\x0f\x00', Buffer.alloc(1_000_000, 1), '.'), 'too_large'],
    ['a text of four gigabytes', program('X\xff\xff\xff\xffabc.'), 'invalid_pickle'],
    ['bytes of 2^63', program('\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.'), 'invalid_pickle'],
    [
      'a long name in many objects',
      program('cm\n', many(100_000, 'x'), '\np0\n0(', many(20_000, 'g0\n)\x81'), 'l.'),
      'too_large',
    ],
  ];

  test.each(bombs)('%s', (_, bytes, reason) => {
    const started = performance.now();
    expect(() => read(bytes)).toThrow(expect.objectContaining({ name: 'Unreadable', reason }));
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

test.each([
  ['nothing', ''],
  ['no end', 'N'],
  ['an unknown instruction', '\xfe.'],
  ['a protocol to come', '\x80\x06N.'],
  ['a stack that is empty', '.'],
  ['a mark that is missing', 't.'],
  ['values below a mark', 'N(\x85.'],
  ['a memo that is empty', 'h\x07.'],
  ['an object kept elsewhere', 'Pid\n.'],
  ['an extension', '\x82\x01.'],
  ['a call of a number', 'K\x01)R.'],
  ['a key without a value', '}(K\x01u.'],
  ['a float that is none', 'Fabc\n.'],
  ['text that is not UTF-8', 'X\x02\0\0\0\xff\xfe.'],
])('%s is an error that says so', (_, text) => {
  expect(() => read(program(text))).toThrow(Unreadable);
});
