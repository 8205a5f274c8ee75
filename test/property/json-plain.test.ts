import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FilesOptions } from '../../src/sources/format.ts';
import { cases } from '../helpers/property.ts';
import { ownContext, readUnchecked } from '../helpers/read-unchecked.ts';

const context = ownContext();

const COLUMNS = { a: 'BIGINT', b: 'DECIMAL(10,2)', c: 'DOUBLE', d: 'VARCHAR', e: 'DATE', f: 'JSON', g: 'BOOLEAN' };

/** Mostly values that leave no doubt, and some that do. */
const values = (plain: readonly string[], odd: readonly string[]) =>
  fc.oneof(
    { weight: 19, arbitrary: fc.constantFrom(...plain, 'null') },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );

test('reading before looking is only sure of what the careful way reads as well, row for row', async () => {
  const row = fc.record({
    a: values(['1', '-20', '"7"'], ['5.7', '12.0', '15e-1', '"x"', '9223372036854775808', 'true']),
    b: values(['1.20', '-3', '"0.50"'], ['1.239', '1e-5', '1.5e-7', '12345678901234567', '"1E3"']),
    c: values(['1.5', '800.950852557673'], ['9007199254740993', '1e400', 'true', 'NaN']),
    d: values(['"text"', '"a, }"', '""'], ['1.10', '"12"', '{"x":1.0}', String.raw`"\ud800"`, 'true']),
    e: values(['"2026-01-05"'], ['"2026-02-30"', '"5.1.26"', '5']),
    f: values(['[]', '{"x":"y"}', '"text"'], ['1.10', '{"x":1e3}', '{"x":1,"x":2}']),
    g: values(['true', 'false'], ['1', '"x"']),
  });
  const line = fc.oneof(
    { weight: 29, arbitrary: row.map((cells) => `{${Object.entries(cells).map((cell) => `"${cell.join('":')}`)}}`) },
    { weight: 1, arbitrary: fc.constantFrom('', 'null', '[]', '{"a":1,}', '{"a":1}{"a":2}', '{"a":', '{}', '\r') },
  );
  let sure = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 5 }), async (lines) => {
      const content = lines.map((one) => `${one}\n`).join('');
      const { rows, careful } = await readUnchecked(context(), '.jsonl', content, { columns: COLUMNS });
      if (!rows) return;
      sure++;
      expect({ rows, faults: [] }).toEqual(careful);
    }),
    cases(60),
  );
  expect(sure).toBeGreaterThan(5);
});

const typed = { columns: { a: 'INTEGER', b: 'VARCHAR' } };
test.each<[string, string | Buffer, FilesOptions]>([
  ['a comma at the end', '{"a":1,"b":"x",}\n', typed],
  ['NaN', '{"a":1,"b":"x","c":NaN}\n', typed],
  ['a line that is null', '{"a":1}\nnull\n', typed],
  ['a blank line', '{"a":1}\n\n{"a":2}\n', typed],
  ['two objects on a line', '{"a":1}{"a":2}\n', typed],
  ['half an object', '{"a":1}\n{"a":\n', typed],
  ['a key that is there twice', '{"a":1,"a":2}\n', typed],
  ['a number that would be rounded', '{"a":1.5}\n', typed],
  ['a number for a text, whose digits count', '{"a":1,"b":1.10}\n', typed],
  ['more digits than a decimal keeps', '{"a":0.125}\n', { columns: { a: 'DECIMAL(5,2)' } }],
  ['an exponent that a decimal does not keep', '{"a":1e-5}\n', { columns: { a: 'DECIMAL(5,2)' } }],
  ['more digits than a double keeps', '{"a":9007199254740993}\n', { columns: { a: 'DOUBLE' } }],
  ['a number in JSON, whose digits count', '{"a":{"x":1.10}}\n', { columns: { a: 'JSON' } }],
  ['half of a surrogate pair', '{"a":1,"b":"\\ud800"}\n', typed],
  ['bytes that are no UTF-8', Buffer.from('{"a":1,"b":"caf\xe9"}\n', 'latin1'), typed],
  ['no line at all', '', typed],
])('it is not sure of a file with %s', async (_, content, options) => {
  const { rows } = await readUnchecked(context(), '.jsonl', content, options);
  expect(rows).toBeUndefined();
});
