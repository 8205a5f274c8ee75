import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dialectOf } from '../../src/sources/csv-options.ts';
import { type PlainCsv, PlainLines } from '../../src/sources/csv-plain.ts';
import { csvRecords } from '../../src/sources/csv-records.ts';
import type { FilesOptions } from '../../src/sources/format.ts';
import { cases } from '../helpers/property.ts';
import { ownContext, readUnchecked } from '../helpers/read-unchecked.ts';

const context = ownContext();

const runs = cases(60);
const character = fc.constantFrom('"', ',', '\n', '\r\n', '\r', '\\', '\0', 'é', 'a', '1', '.');
const soup = fc.array(character, { maxLength: 24 }).map((parts) => parts.join(''));

describe('what is plain', () => {
  /** By the records that are taken apart one by one. */
  async function expected(content: Buffer, width: number, options: object): Promise<PlainCsv | undefined> {
    const found = { records: 0, longest: 0, returns: 0 };
    for await (const { bytes, records } of csvRecords(pieces([content]), dialectOf(options, ','))) {
      if (!isUtf8(bytes) || bytes.includes(0)) return undefined;
      for (const { start, end, next, lines, fields, problem } of records) {
        if (problem || lines > 1 || fields !== width || start === end) return undefined;
        found.records++;
        found.longest = Math.max(found.longest, next - start);
        if (bytes[end] === 0x0d) found.returns++;
      }
    }
    const { records, longest, returns } = found;
    return returns !== 0 && returns !== records ? undefined : { records, longest, returns: returns > 0 };
  }

  async function* pieces(all: Buffer[]) {
    yield* all;
  }

  const line = fc
    .array(fc.constantFrom('', 'a', '"q"', '"a,b"', '"d""d"', 'Straße', '12.50'), { minLength: 3, maxLength: 3 })
    .map((cells) => `${cells.join(',')}\n`);

  test.each([
    {},
    { quote: '' },
    { escape: '\\' },
    { delimiter: ';' },
  ])('is what records say, with %j', async (options) => {
    let plain = 0;
    const content = fc.tuple(
      fc.array(line, { maxLength: 12 }),
      fc.oneof({ weight: 2, arbitrary: fc.constant('') }, soup),
      fc.nat(3),
    );
    await fc.assert(
      fc.asyncProperty(content, fc.boolean(), async ([lines, rest, shift], crlf) => {
        const whole = lines
          .join('')
          .replaceAll('\n', crlf ? '\r\n' : '\n')
          .replaceAll(',', options.delimiter ?? ',');
        // Words of four bytes are looked at, wherever in memory a piece begins.
        const bytes = Buffer.from(`${' '.repeat(shift)}${whole}${rest}`).subarray(shift);
        const width = whole === '' ? 1 : whole.slice(0, whole.indexOf('\n')).split(options.delimiter ?? ',').length;
        const found = new PlainLines(width, dialectOf(options, ','));
        const cut = bytes.indexOf(0x0a) + 1;
        for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)])
          if (piece.length > 0 && !found.add(piece)) break;
        const result = found.found();
        if (result && result.records > 0) plain++;
        expect(result).toEqual(await expected(bytes, width, options));
      }),
      { numRuns: runs.numRuns! * 10 },
    );
    expect(plain).toBeGreaterThan(10);
  });
});

describe('reading before looking', () => {
  const columns = { a: 'BIGINT', b: 'DECIMAL(10,2)', c: 'DOUBLE', d: 'VARCHAR', e: 'DATE', f: 'JSON' };

  test('is only sure of what the careful way reads as well, row for row', async () => {
    const plain = [
      fc.constantFrom('1', '-20', '', '12.0'),
      fc.constantFrom('1.20', '-3', '', '0.500'),
      fc.constantFrom('1.5', '800.950852557673', ''),
      fc.constantFrom('text', '"a,b"', '""', '', '"say ""x"""'),
      fc.constantFrom('2026-01-05', ''),
      fc.constantFrom('[1]', ''),
    ];
    const odd = [
      fc.constantFrom('5.7', 'x', '15e-1', '"3"'),
      fc.constantFrom('1.239', '1e3', '1.2.3'),
      fc.constantFrom('9007199254740993', 'NaN', '1e400'),
      soup,
      fc.constantFrom('2026-02-30', '5.1.26'),
      fc.constantFrom('{', '{"a"'),
    ];
    const table = (cells: fc.Arbitrary<string>[]) => fc.array(fc.tuple(...cells), { minLength: 1, maxLength: 6 });
    // Every other file is plain as a whole; a tenth of the cells odd leaves hardly a file that is.
    const files = fc.oneof(
      table(plain),
      table(plain.map((cell, at) => fc.oneof({ weight: 9, arbitrary: cell }, { weight: 1, arbitrary: odd[at]! }))),
    );
    let sure = 0;
    await fc.assert(
      fc.asyncProperty(files, fc.constantFrom('\n', '\r\n'), async (rows, end) => {
        const content = ['a,b,c,d,e,f', ...rows.map((row) => row.join(','))].map((row) => `${row}${end}`).join('');
        const { rows: found, careful } = await readUnchecked(context(), '.csv', content, { columns });
        if (found) {
          sure++;
          expect({ rows: found, faults: [] }).toEqual(careful);
        }
      }),
      runs,
    );
    expect(sure).toBeGreaterThan(5);
  });

  const typed = { columns: { a: 'INTEGER', b: 'VARCHAR' } };
  test.each<[string, string | Buffer, FilesOptions]>([
    ['a line with too many fields', 'a,b\n1,x,y\n2,z\n', typed],
    ['a line with too few', 'a,b\n1\n2,z\n', typed],
    ['a blank line', 'a,b\n1,x\n\n2,z\n', typed],
    ['a text that is no number', 'a,b\nx,x\n', typed],
    ['a number that would be rounded', 'a,b\n1.5,x\n', typed],
    ['more digits than a decimal keeps', 'a,b\n1,0.125\n', { columns: { a: 'INTEGER', b: 'DECIMAL(5,2)' } }],
    ['more digits than a double keeps', 'a,b\n1,9007199254740993\n', { columns: { a: 'INTEGER', b: 'DOUBLE' } }],
    ['text that is no JSON', 'a,b\n1,{\n', { columns: { a: 'INTEGER', b: 'JSON' } }],
    ['a line end inside of quotes', 'a,b\n1,"x\ny"\n', typed],
    ['text behind a closing quote', 'a,b\n1,"x"y\n', typed],
    ['a quote that is not closed', 'a,b\n1,"x\n2,y\n', typed],
    ['a quote in the middle', 'a,b\n1,x"y\n', typed],
    ['line ends of both kinds', 'a,b\r\n1,x\n2,y\r\n', typed],
    ['line ends that differ from the first one', 'a,b\n1,x\n2,y\r\n', typed],
    ['a carriage return in a line', 'a,b\n1,x\ry\n', typed],
    ['a NUL', 'a,b\n1,x\0y\n', typed],
    ['bytes that are no UTF-8', Buffer.from('a,b\n1,caf\xe9\n', 'latin1'), typed],
    ['a byte order mark', '\uFEFFa,b\n1,x\n', typed],
    ['a line that is longer than DuckDB is told', `a,b\n1,${'x'.repeat(1_100_000)}\n`, typed],
  ])('is not sure of a file with %s', async (_, content, options) => {
    const { rows } = await readUnchecked(context(), '.csv', content, options);
    expect(rows).toBeUndefined();
  });
});
