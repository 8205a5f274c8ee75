import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { files } from '../../src/sources/files.ts';
import { cases } from '../helpers/property.ts';
import { openContext, readAll } from '../helpers/read-source.ts';

let opened: Awaited<ReturnType<typeof openContext>>;
let root: string;
let turn = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'drayage-formats-'));
  opened = await openContext(root);
});
afterAll(async () => {
  await opened.close();
  await rm(root, { recursive: true });
});

async function roundTrip(ending: string, content: string, options = {}) {
  const name = `${turn++}.${ending}`;
  await writeFile(join(root, name), content);
  return readAll(files(name, options), opened.context);
}

const text = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', ';', '\t', ' ', 'a', "'", '\\'), maxLength: 8 }),
  )
  .map((value) => value.replaceAll('\0', ''));
const cell = fc.option(text, { nil: null, freq: 5 });
const table = fc
  .integer({ min: 2, max: 4 })
  .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 30 }));

const runs = cases(30);

describe('CSV', () => {
  const columnsOf = (width: number) =>
    Object.fromEntries(Array.from({ length: width }, (_, index) => [`k${index}`, 'VARCHAR']));
  const objects = (rows: (string | null)[][]) =>
    rows.map((row) => Object.fromEntries(row.map((value, index) => [`k${index}`, value])));

  test.each([
    [',', '\n'],
    [';', '\r\n'],
    ['\t', '\n'],
  ])('every text comes back, with delimiter %j and line end %j', async (delimiter, end) => {
    const quote = (value: string | null) => {
      if (value === null) return '';
      return value === '' || /["\n\r]/.test(value) || value.includes(delimiter)
        ? `"${value.replaceAll('"', '""')}"`
        : value;
    };
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        const columns = columnsOf(rows[0]!.length);
        const lines = [Object.keys(columns), ...rows.map((row) => row.map(quote))].map(
          (cells) => `${cells.join(delimiter)}${end}`,
        );
        expect(await roundTrip('csv', lines.join(''), { columns, csv: { delimiter } })).toEqual(objects(rows));
      }),
      runs,
    );
  });
});

describe('JSON', () => {
  const record = fc.record({
    a: text,
    b: fc.maxSafeInteger(),
    c: fc.double({ noNaN: true, noDefaultInfinity: true }),
    d: fc.option(fc.boolean(), { nil: null }),
    e: fc.jsonValue(),
  });
  const columns = { a: 'VARCHAR', b: 'BIGINT', c: 'DOUBLE', d: 'BOOLEAN', e: 'JSON' };

  test.each([
    ['jsonl', (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')],
    ['json', (rows: object[]) => JSON.stringify(rows, undefined, 1)],
  ] as const)('every value comes back from .%s', async (ending, write) => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async (rows) => {
        const found = await roundTrip(ending, write(rows), { columns });
        const plain = found.map(({ b, e, ...row }) => ({
          ...row,
          b: Number(b),
          e: e === null ? null : JSON.parse(String(e)),
        }));
        expect(plain).toEqual(rows.map((row) => JSON.parse(JSON.stringify({ ...row, c: row.c }))));
      }),
      runs,
    );
  });

  test('decimals of any length keep every digit, in columns and inside of documents', async () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 17 });
    const number = fc
      .tuple(fc.boolean(), digits, digits)
      .map(([minus, whole, fraction]) => `${minus ? '-' : ''}${whole.replace(/^0+(?=\d)/, '')}.${fraction}1`);
    await fc.assert(
      fc.asyncProperty(fc.array(number, { minLength: 1, maxLength: 20 }), async (numbers) => {
        const lines = numbers.map((value) => `{"d": ${value}, "t": ${value}, "j": {"in": [${value}]}}\n`).join('');
        const found = await roundTrip('jsonl', lines, { columns: { d: 'DECIMAL(38,18)', t: 'VARCHAR', j: 'JSON' } });
        const normal = (value: string) => value.replace(/^-?0+(?=\d)/, '').replace(/0+$/, '');
        for (const [index, value] of numbers.entries()) {
          expect(normal(String(found[index]!.t))).toBe(normal(value));
          expect(normal(/-?[\d.]+/.exec(String(found[index]!.j))![0])).toBe(normal(value));
        }
      }),
      runs,
    );
  });
});
