import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rows } from '../../src/duckdb/scan.ts';
import { createDuck } from '../helpers/duck.ts';
import { publish } from '../helpers/lake.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
let project: TestProject;

beforeAll(async () => {
  project = await TestProject.create();
  await publish(duck, join(project.root, 'lake'), 'first', [
    {
      dataset: 'ticket',
      day: '2026-01-30',
      query: `select i as id, (i / 4)::decimal(20,2) as amount, if(i = 1, null, 'say "' || i || '"') as note,
        {'list': [i]} as nested, '{"i": ' || i || '}' as raw from range(250) t(i)`,
    },
  ]);
});
afterAll(async () => {
  await duck.close();
  await project.remove();
});

test('a table shows the first rows, and tells that there are more', async () => {
  const { code, stdout, stderr } = await project.dray(['query', 'select id, note from ticket order by id']);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.slice(0, 3)).toEqual(['id  note', ' 0  say "0"', ' 1  NULL']);
  expect(lines.at(-1)).toBe('(100 rows shown)');
  expect(stderr).toMatch(/more rows/);
  const few = await project.dray(['query', 'select id from ticket order by id', '--limit', '2']);
  expect(few.stdout).toBe('id\n 0\n 1\n(2 rows shown)\n');
});

test('CSV and JSON hold all rows and every digit', async () => {
  const sql = `select id, amount, note, nested, raw::json as raw, '' as empty, 12345678901234567890.12::decimal(38,2) as large
    from ticket order by id`;
  const csv = await project.dray(['query', sql, '--format', 'csv']);
  const lines = csv.stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(251);
  expect(lines[0]).toBe('id,amount,note,nested,raw,empty,large');
  expect(lines[2]).toBe('1,0.25,,"{""list"":[1]}","{""i"": 1}","",12345678901234567890.12');
  const json = await project.dray(['query', sql, '--json']);
  const parsed = JSON.parse(json.stdout);
  expect(parsed).toHaveLength(250);
  expect(parsed[1]).toMatchObject({ id: 1, amount: 0.25, note: null, nested: { list: [1] }, raw: { i: 1 }, empty: '' });
  expect(json.stdout).toContain('"large":12345678901234567890.12');
  const none = await project.dray(['query', 'select id from ticket where false', '--json']);
  expect(none.stdout).toBe('[]\n');
});

test('Parquet and Arrow go into a file that others read', async () => {
  await project.write('tickets.sql', 'select id, note from ticket where id >= $from order by id; -- the last ones\n');
  const parquet = ['--format', 'parquet', '--output', join(project.root, 'out.parquet')];
  const written = await project.dray(['query', '--file', 'tickets.sql', '--param', 'from=200', ...parquet]);
  expect(written.stderr).toMatch(/^50 rows written/);
  const [counted] = await duck.use((connection) =>
    rows(connection, `select count(*)::int as n, min(id)::int as least from '${project.root}/out.parquet'`),
  );
  expect(counted).toEqual({ n: 50, least: 200 });
  const arrow = ['--format', 'arrow', '--output', join(project.root, 'out.arrow')];
  await project.dray(['query', 'select id, amount, note, nested from ticket order by id', ...arrow]);
  const read = tableFromIPC(await readFile(join(project.root, 'out.arrow')));
  expect(read.numRows).toBe(250);
  expect(read.schema.fields.map(String)).toEqual([
    'id: Int64',
    'amount: Decimal[20e+2]',
    'note: Utf8',
    'nested: Struct<{list:List<Int64>}>',
  ]);
  expect(read.get(249)?.note).toBe('say "249"');
  const empty = await project.dray(['query', 'select id from ticket where false', ...arrow]);
  expect(empty.code).toBe(0);
  expect(tableFromIPC(await readFile(join(project.root, 'out.arrow'))).schema.fields.map(String)).toEqual([
    'id: Int64',
  ]);
});

test.each<[string, string[], RegExp]>([
  ['no query', [], /query is missing/],
  ['two queries', ['select 1', '--file', 'x.sql'], /two queries/],
  ['a file that is missing', ['--file', 'x.sql'], /cannot be read/],
  ['a format that is unknown', ['select 1', '--format', 'jsn'], /Did you mean "json"/],
  ['parquet without a file', ['select 1', '--format', 'parquet'], /--output/],
  [
    'a place that cannot be written to',
    ['select 1', '--format', 'csv', '--output', 'no/such/file'],
    /cannot be written/,
  ],
  ['a dataset that is unknown', ['select * from tickt'], /Did you mean "ticket"/],
  ['what is no query', [`copy ticket to 'x'`], /only ever read/],
  ['a lake that is missing', ['select 1', '--lake', 'nowhere'], /There is no lake/],
  ['a parameter without a value', ['select $x'], /\$x has no value/],
])('%s is told in one paragraph, with exit code 2', async (_, args, message) => {
  const { code, stdout, stderr } = await project.dray(['query', ...args]);
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test('whoever reads may stop before the end', async () => {
  const child = project.spawn(['query', 'select i, md5(i::varchar) from range(2000000) t(i)', '--format', 'csv']);
  child.stdout.once('data', () => child.stdout.destroy());
  const stderr = child.stderr.setEncoding('utf8').toArray();
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, (await stderr).join('')]).toEqual([0, '']);
});
