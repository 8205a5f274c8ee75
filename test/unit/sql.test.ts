import { afterAll, describe, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { compileSql } from '../../src/transforms/sql.ts';
import { createDuck } from '../helpers/duck.ts';

const duck = createDuck();
afterAll(() => duck.close());

const RELATION = `select i as id, i % 3 as kind, 'n' || i as name, i + 1 as "drayage:row" from range(10) t(i)`;

const compile = (text: string) =>
  duck.use(async (connection) => {
    const compiled = await compileSql(connection, { relation: RELATION }, text);
    return { ...compiled, found: await rows(connection, compiled.query) };
  });

describe('rows keep their numbers', () => {
  test.each([
    ['a plain query', 'select id, name from source'],
    ['a star', 'select * from source'],
    ['an alias', 'select s.id as key from source s'],
    ['a filter', 'select id from source where id > 6'],
    ['an order', 'select id from source order by id desc'],
    ['a semicolon', 'select id from source;\n'],
    ['a comment at its end', 'select id from source -- all of them'],
    ['a constant beyond 2^63', 'select id, 18446744073709551615 as most from source'],
  ])('through %s', async (_name, text) => {
    const { numbered, found, columns } = await compile(text);
    expect(numbered).toBe(true);
    expect(columns.map(({ name }) => name)).not.toContain('drayage:row');
    for (const row of found) expect(row['drayage:row']).toBe(((row.id ?? row.key) as bigint) + 1n);
  });
});

test.each([
  ['groups', 'select kind, count(*) as n from source group by kind'],
  ['aggregates', 'select sum(id) as total from source'],
  ['de-duplicates', 'select distinct kind from source'],
  ['unites', 'select id from source union all select id from source'],
])('a query that %s gives its rows without numbers, and unchanged', async (_name, text) => {
  const { numbered, found, query } = await compile(text);
  expect({ numbered, query }).toEqual({ numbered: false, query: text });
  expect(found.length).toBeGreaterThan(0);
  expect(Object.keys(found[0]!)).not.toContain('drayage:row');
});

test.each([
  ' -- by kind',
  ';',
  ' ; \n',
  ' -- by kind;',
])('a query that ends with %j can stand in brackets', async (end) => {
  const text = `select kind, count(*) as n from source group by kind${end}`;
  await duck.use(async (connection) => {
    const { query } = await compileSql(connection, { relation: RELATION }, text);
    expect(await rows(connection, `select count(*)::int as kinds from (${query})`)).toEqual([{ kinds: 3 }]);
  });
});

test('a query that does not fit the source is refused with the name of the column', async () => {
  await expect(compile('select nmae from source')).rejects.toThrow(/nmae/);
});
