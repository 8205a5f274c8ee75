import fc from 'fast-check';
import type { RangeOf } from '../../../src/postgres/encode/range.ts';

export const oneOf = fc.constantFrom;
export const integer = (min: number, max: number) => fc.integer({ min, max });
export const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: oneOf(...'0123456789'), minLength, maxLength });
export const hex = (minLength: number, maxLength: number) =>
  fc.string({ unit: oneOf(...'0123456789abcdefABCDEF'), minLength, maxLength });
export const joined = (...parts: fc.Arbitrary<unknown>[]) => fc.tuple(...parts).map((values) => values.join(''));
const maybe = (part: fc.Arbitrary<string>) => fc.option(part, { nil: '' });
export const text = (value: string) => fc.constant(value);
export const padded = (min: number, max: number) => integer(min, max).map((value) => String(value).padStart(2, '0'));
const big = (bits: bigint) => fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 2n }).map(String);

const sign = oneOf('', '-', '+');
export const number = joined(
  sign,
  fc.oneof(digits(1, 30), joined(digits(1, 12), text('.'), digits(0, 30)), joined(text('.'), digits(1, 9))),
  maybe(joined(oneOf('e', 'E'), sign, integer(0, 60))),
);
/** Fits into numeric(9,3). */
export const smallNumber = joined(oneOf('', '-'), digits(1, 6), maybe(joined(text('.'), digits(0, 3))));

const v4 = fc.ipV4();
const v6 = fc.ipV6();
export const inet = fc.oneof(v4, joined(v4, text('/'), integer(0, 32)), v6, joined(v6, text('/'), integer(0, 128)));
export const cidr = fc.oneof(
  v4,
  v6,
  fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), integer(0, 32)).map(([address, mask]) => {
    const kept = (address >> BigInt(32 - mask)) << BigInt(32 - mask);
    return `${[24n, 16n, 8n, 0n].map((shift) => (kept >> shift) & 255n).join('.')}/${mask}`;
  }),
);
export const mac = (bytes: number) =>
  fc
    .tuple(fc.array(hex(2, 2), { minLength: bytes, maxLength: bytes }), oneOf(':', '-', ''))
    .map(([parts, separator]) => parts.join(separator));
export const bits = (min: number, max: number) => fc.string({ unit: oneOf('0', '1'), minLength: min, maxLength: max });

const fraction = maybe(joined(text('.'), digits(1, 6)));
export const clock = joined(padded(0, 23), text(':'), padded(0, 59), text(':'), padded(0, 59), fraction);
export const offset = fc.oneof(
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

export const count = joined(oneOf('', '-', '+'), integer(0, 100_000));
const units: [string, ...string[]][] = [
  ['year', 'years'],
  ['mon', 'mons', 'month', 'months'],
  ['day', 'days'],
];
export const postgresInterval = fc
  .tuple(
    ...units.map((names) => maybe(joined(count, text(' '), oneOf(...names)))),
    maybe(joined(sign, integer(0, 999), text(':'), padded(0, 59), text(':'), padded(0, 59), fraction)),
  )
  .map((parts) => parts.filter(Boolean).join(' ') || '00:00:00');
const isoCount = joined(oneOf('', '-'), integer(0, 100_000));
export const isoInterval = fc
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
export const range = (of: RangeOf) => {
  const { bound, close } = BOUND[of];
  const pair = (one: fc.Arbitrary<string>) =>
    joined(oneOf('[', '('), maybe(quotedBound(one)), text(','), maybe(quotedBound(one)), oneOf(']', ')'));
  return fc.oneof(pair(close), pair(close), pair(bound), oneOf('empty', ' EMPTY '));
};
export const multirange = (of: RangeOf) =>
  fc.array(range(of), { maxLength: 6 }).map((ranges) => `{${ranges.join(', ')}}`);

export const word = fc
  .string({ unit: 'grapheme', maxLength: 8 })
  .map((value) => value.toWellFormed().replaceAll('\0', ''));
const escaped = word.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`);
export const hstore = fc
  .array(joined(escaped, oneOf('=>', ' => '), fc.oneof(escaped, oneOf('NULL', 'null', 'bare', '"null"'))), {
    maxLength: 6,
  })
  .map((pairs) => pairs.join(', '));

const attributes = oneOf('', ' a="1"', ' a=\'&lt;\' b = "x"', ' x:y="&#65;"', ' é="\n"');
export const { xml } = fc.letrec<{ xml: string }>((tie) => ({
  xml: fc.oneof(
    { depthSize: 'small' },
    oneOf('text', ' ', '', '&amp;', '&#x1F600;', '<!-- c -->', '<![CDATA[<&]]>', '<?p i?>', '<e/>', 'é', '\r\n', ']]'),
    fc
      .tuple(oneOf('a', 'ns:b', 'é'), attributes, tie('xml'))
      .map(([name, more, inner]) => `<${name}${more}>${inner}</${name}>`),
    joined(tie('xml'), tie('xml')),
  ),
}));
export const declaration = oneOf(
  '',
  '<?xml version="1.0"?>',
  "<?xml version='1.0' encoding='ISO-8859-1'?>\n",
  '<?xml version="1.0" standalone="yes"?>\n',
  '<?xml version="1.1" encoding="UTF-8" standalone=\'no\' ?>',
);
