import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { quoteLiteral } from '../../src/duckdb/types.ts';
import { dateExpression, dateFolder } from '../../src/lake/dates.ts';
import { createDuck } from '../helpers/duck.ts';
import { cases } from '../helpers/property.ts';

const duck = createDuck();
afterAll(() => duck.close());

const LAYOUTS = ['day', 'month', 'year'] as const;
/** Every day that has a folder of its own. */
const days = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

/** What the expression makes of values of a type. */
async function placesOf(values: readonly string[], type: string, layout: (typeof LAYOUTS)[number]) {
  const list = values.map((value, index) => `(${index}, ${value})`).join(', ');
  const sql = `select ${dateExpression('at', type, layout)} as place from (values ${list}) t(i, "at") order by i`;
  const found = await duck.use((connection) => rows(connection, sql));
  return found.map(({ place }) => place as string | null);
}

/** Written another way: a date in UTC, by what JavaScript says of it. */
function folderOf(date: Date, layout: (typeof LAYOUTS)[number]): string {
  const [day = ''] = date
    .toISOString()
    .replace(/^\+?0*(?=\d{4}-)/, '')
    .split('T');
  const [year, month, dayOfMonth] = day.split('-');
  return {
    day: `year=${year}/month=${month}/day=${dayOfMonth}/`,
    month: `year=${year}/month=${month}/`,
    year: `year=${year}/`,
  }[layout];
}

describe.each(LAYOUTS)('the folder of a %s', (layout) => {
  const check = (type: string, write: (iso: string) => string) =>
    fc.assert(
      fc.asyncProperty(fc.array(days, { minLength: 1, maxLength: 200 }), async (dates) => {
        const places = await placesOf(
          dates.map((date) => write(date.toISOString())),
          type,
          layout,
        );
        expect(places.map((place) => dateFolder(place, layout))).toEqual(dates.map((date) => folderOf(date, layout)));
      }),
      cases(20),
    );

  test('is that of a date', () => check('DATE', (iso) => `${quoteLiteral(iso.slice(0, 10))}::DATE`));
  test('is that of a timestamp', () => check('TIMESTAMP', (iso) => `${quoteLiteral(iso)}::TIMESTAMP`));
  test('is that of a moment, in UTC', () =>
    check('TIMESTAMP WITH TIME ZONE', (iso) => `${quoteLiteral(iso)}::TIMESTAMPTZ`));
  test('is that of a text', () => check('VARCHAR', (iso) => quoteLiteral(iso)));

  test('is none for what has no date', async () => {
    const bad = [
      ['DATE', ['null', `'infinity'::DATE`, `'-infinity'::DATE`, `'10000-01-01'::DATE`, `'0001-01-01'::DATE - 1`]],
      ['TIMESTAMP', ['null::timestamp', `'infinity'::TIMESTAMP`, `'10000-01-01'::TIMESTAMP`]],
      ['TIMESTAMP WITH TIME ZONE', [`'infinity'::TIMESTAMPTZ`, `'-infinity'::TIMESTAMPTZ`, 'null']],
      ['VARCHAR', [`'2026-02-30'`, `'soon'`, `''`, `'2026-13-01'`, `'infinity'`]],
      ['BIGINT', ['20260105']],
    ] as const;
    for (const [type, values] of bad) expect(await placesOf(values, type, layout)).toEqual(values.map(() => null));
    const none = '__HIVE_DEFAULT_PARTITION__';
    expect(dateFolder(null, 'day')).toBe(`year=${none}/month=${none}/day=${none}/`);
    expect(dateFolder(null, 'none')).toBe('');
  });
});

test('texts may say where they were written', async () => {
  const texts = ["'2026-01-05T23:30:00-05:00'", "'2026-01-05 00:30:00+01'", "'2026-01-05'", "'2026-01-05 12:00'"];
  expect(await placesOf(texts, 'VARCHAR', 'day')).toEqual(['2026-01-06', '2026-01-04', '2026-01-05', '2026-01-05']);
});
