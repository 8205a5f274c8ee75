import { expect, test } from 'vitest';
import { makeBatch, makeSchema } from '../../src/arrow/batch.ts';
import { BatchEncoder } from '../../src/postgres/encode/batch.ts';
import type { Loss } from '../../src/postgres/encode/coerce.ts';
import { OID } from '../../src/postgres/encode/column.ts';
import { encoderFor } from '../../src/postgres/encode/index.ts';
import type { PgType } from '../../src/postgres/types.ts';
import { valueType } from '../../src/postgres/values/index.ts';

const NUMERIC_12_1: PgType = { oid: OID.numeric, name: 'numeric', typmod: ((12 << 16) | 1) + 4, builtIn: true };
const INTERVAL: PgType = { oid: OID.interval, name: 'interval', typmod: -1, builtIn: true };

test.each<[string, PgType, Loss, unknown, string]>([
  ['a number', NUMERIC_12_1, 'round', '1.29', 'rounded'],
  ['an interval', INTERVAL, 'truncate', '1.1234567 seconds', 'digits_lost'],
  [
    'an array of numbers',
    { ...NUMERIC_12_1, oid: 1231, name: '_numeric', element: NUMERIC_12_1 },
    'round',
    ['1', '1.29'],
    'rounded',
  ],
])('text that cannot be read as %s is a reject, whatever may get lost, and never a null', (_, type, loss, value, reason) => {
  const { field, convert, build } = valueType('v', type, loss);
  const encoder = encoderFor(field, type, loss)!;
  const batch = makeBatch(makeSchema([field]), 1, [build([convert(value)])]);
  const found = new BatchEncoder([{ name: 'v', position: 0, encoder, notNull: false, allowed: loss }]).check(batch);
  expect(found).toMatchObject({ faults: [{ row: 0, column: 'v', reason }] });
});
