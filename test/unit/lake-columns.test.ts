import { afterAll, describe, expect, test } from 'vitest';
import { describe as columnsOf, rows } from '../../src/duckdb/scan.ts';
import { mergeColumns, storedColumns } from '../../src/lake/columns.ts';
import { declaredType, storedType } from '../../src/lake/types.ts';
import { lake } from '../../src/model/lake-target.ts';
import { createDuck } from '../helpers/duck.ts';

const duck = createDuck();
afterAll(() => duck.close());

/** What a declared column makes of values: the ones it holds as they are, and those it does not. */
async function taken(values: readonly string[], declared: string) {
  const target = lake({ root: 'x', columns: { v: declared } });
  const verdicts: (string | null)[] = [];
  for (const value of values) {
    const found = await duck.use(async (connection) => {
      const source = `select ${value} as v`;
      const [column] = storedColumns(await columnsOf(connection, source), target, 'd');
      const sql = `select (${column!.expression})::varchar as v, ${column!.differs ?? 'false'} as differs from (${source})`;
      return rows(connection, sql);
    });
    verdicts.push(found[0]!.differs ? 'rejected' : (found[0]!.v as string | null));
  }
  return verdicts;
}

describe('a declared column takes a value as it is, or not at all', () => {
  const cases: [string, [string, string | null][]][] = [
    [
      'integer',
      [
        ['1', '1'],
        ['1::bigint', '1'],
        ['1.0', '1'],
        ['1.5', 'rejected'],
        ['3000000000', 'rejected'],
        ['null::bigint', null],
      ],
    ],
    [
      'integer',
      [
        ["'7'", '7'],
        ["' 7.0 '", '7'],
        ["'7.5'", 'rejected'],
        ["'7e0'", '7'],
        ["'75e-1'", 'rejected'],
        ["'x'", 'rejected'],
      ],
    ],
    [
      'integer',
      [
        ["'7'::json", '7'],
        ["'7.5'::json", 'rejected'],
        ["'null'::json", null],
      ],
    ],
    [
      'numeric(6,2)',
      [
        ["'1.20'", '1.20'],
        ["'1.200'", '1.20'],
        ["'1.234'", 'rejected'],
        ['1.5::double', '1.50'],
        ['1.239', 'rejected'],
      ],
    ],
    [
      'double precision',
      [
        ['1::integer', '1.0'],
        ['9007199254740993::bigint', 'rejected'],
        ["'nan'::float", 'nan'],
      ],
    ],
    [
      'real',
      [
        ['0.5::double', '0.5'],
        ['0.1::double', 'rejected'],
      ],
    ],
    [
      'date',
      [
        ["'2026-01-05'", '2026-01-05'],
        ["'2026-02-30'", 'rejected'],
        ["timestamp '2026-01-05 00:00:00'", '2026-01-05'],
        ["timestamp '2026-01-05 10:00:00'", 'rejected'],
      ],
    ],
    [
      'timestamptz',
      [
        ["'2026-01-05T10:00:00+02'", '2026-01-05 08:00:00+00'],
        ["'soon'", 'rejected'],
      ],
    ],
    [
      'boolean',
      [
        ["'true'", 'true'],
        ["'perhaps'", 'rejected'],
        ['1', 'true'],
        ['2', 'rejected'],
      ],
    ],
    [
      'jsonb',
      [
        [`'{"a": 1}'`, '{"a": 1}'],
        [`'{'`, 'rejected'],
        ["{'a': 1}", '{"a":1}'],
      ],
    ],
    [
      'text',
      [
        ['1.50', '1.50'],
        ["interval '3 days'", '3 days'],
      ],
    ],
    [
      'uuid',
      [
        ["'6f9619ff-8b86-4011-b42d-00cf4fc964ff'", '6f9619ff-8b86-4011-b42d-00cf4fc964ff'],
        ["'6f96'", 'rejected'],
      ],
    ],
    [
      'text[]',
      [
        ["['a', null]", '[a, NULL]'],
        ['\'["a"]\'::json', '[a]'],
      ],
    ],
  ];
  test.each(cases)('%s %#', async (declared, values) => {
    expect(
      await taken(
        values.map(([value]) => value),
        declared,
      ),
    ).toEqual(values.map(([, expected]) => expected));
  });
});

test('a type that Parquet would make something else of is kept as one that holds all of it', () => {
  expect(storedType('HUGEINT')).toBe('DECIMAL(38,0)');
  expect(storedType('STRUCT("HUGEINT" UHUGEINT, "at" TIME WITH TIME ZONE[])')).toBe(
    'STRUCT("HUGEINT" DECIMAL(38,0), "at" VARCHAR[])',
  );
  expect(storedType('TIMESTAMP WITH TIME ZONE')).toBe('TIMESTAMP WITH TIME ZONE');
  expect(storedType('INTERVAL[3]')).toBe('VARCHAR[]');
  expect(storedType('"NULL"')).toBeUndefined();
});

test('types are declared as Postgres writes them', () => {
  expect(declaredType('Double  Precision')).toBeUndefined();
  const types = [
    'double precision',
    'numeric(10,2)',
    'numeric(40,2)',
    'varchar(20)',
    'timestamp(3) with time zone',
    'int4[]',
  ];
  expect(types.map(declaredType)).toEqual([
    'DOUBLE',
    'DECIMAL(10,2)',
    'VARCHAR',
    'VARCHAR',
    'TIMESTAMP WITH TIME ZONE',
    'INTEGER[]',
  ]);
  expect(declaredType('intger')).toBeUndefined();
});

test('what does not fit the dataset is named', () => {
  const columns = [{ name: 'id', type: 'BIGINT', expression: () => 'id', field: undefined }];
  const refused = (options: Parameters<typeof lake>[0], code: string, column: string) =>
    expect(() => storedColumns(columns, lake(options), 'ticket')).toThrow(
      expect.objectContaining({ code, where: { table: 'ticket', column } }),
    );
  refused({ root: 'x', date: 'opened' }, 'TARGET_INVALID', 'opened');
  refused({ root: 'x', columns: { ident: 'bigint' } }, 'TARGET_INVALID', 'id');
  refused({ root: 'x', columns: { id: 'bigint', at: 'date' } }, 'TARGET_INVALID', 'at');
  refused({ root: 'x', columns: { id: 'bigintt' } }, 'TYPE_UNMAPPED', 'id');
  const known = [{ name: 'id', type: 'INTEGER' }];
  expect(() => mergeColumns('ticket', known, [{ name: 'id', type: 'BIGINT' }])).toThrow(/BIGINT here, and INTEGER/);
  expect(mergeColumns('ticket', known, [{ name: 'b', type: 'DATE' }])).toEqual([...known, { name: 'b', type: 'DATE' }]);
});

test.each([
  [{ root: '' }, 'root'],
  [{ root: 'x', layout: 'week' }, 'layout'],
  [{ root: 'x', layout: 'day' }, 'date'],
  [{ root: 'x', compression: 'brotli' }, 'compression'],
  [{ root: 'x', badDates: 'drop' }, 'badDates'],
  [{ root: 'x', rowGroupRows: 0 }, 'rowGroupRows'],
  [{ root: 'x', columns: {} }, 'columns'],
  [{ root: 'x', columns: { a: 'text' }, date: 'b' }, 'columns'],
  [{ root: 'x', dat: 'b' }, 'dat'],
])('a target is refused with the field at fault: %j', (options, field) => {
  expect(() => lake(options as never)).toThrow(
    expect.objectContaining({ code: 'JOB_INVALID', where: { field: `lake.${field}` } }),
  );
});
