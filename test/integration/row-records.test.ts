import { expect, test } from 'vitest';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';

let { project, database, drayage } = {} as Workshop;
useDrayage((opened) => {
  ({ project, database, drayage } = opened);
});

const sql = async (text: string) => (await database.pool.query(text)).rows;

test('a function takes the rows of a table apart, with values as JavaScript has them', async () => {
  await sql(`create table talks (id bigint primary key, big bigint, price numeric(20,2), tags text[], doc jsonb, raw bytea, day date,
      at timestamptz, took interval, who uuid, ok boolean, ratio float8);
    insert into talks select i, 9007199254740993, 12345678901234567.25, array['a', null], '{"n": 12345678901234567890}', '\\x00ff',
      case i when 2 then 'infinity'::date else '2024-02-29' end, '2024-02-29 12:00:00.000001+00', '1 mon', null, i % 2 = 0, 'NaN'
      from generate_series(1, 5000) i`);
  await project.write(
    'jobs/talks.ts',
    `import { defineJob, postgres, table } from 'drayage';
export default defineJob({
  name: 'talks', description: 'Talks', source: () => postgres({ table: 'talks', partitionRows: 2000 }),
  transform: (row, emit) => {
    if (row.id === 7) return emit.reject('no seven');
    emit.told({ id: row.id, big: row.big, price: row.price, tags: row.tags, doc: row.doc, raw: row.raw, day: row.day, at: row.at,
      took: row.took, ok: row.ok, ratio: row.ratio });
    for (const [place, tag] of row.tags.entries()) if (tag) emit.told_tags({ id: row.id, place, tag });
  },
  targets: {
    told: table({ createTable: 'infer', key: ['id'], columns: { id: 'bigint', big: 'bigint', price: 'numeric(20,2)', tags: 'text[]', doc: 'jsonb',
      raw: 'bytea', day: 'date', at: 'timestamptz', took: 'interval', ok: 'boolean', ratio: 'float8' } }),
    told_tags: table({ createTable: 'infer', columns: { id: 'bigint', place: 'integer', tag: 'text' } }),
  },
});`,
  );
  const report = await drayage.run('talks', {}, false);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 9999, written: 9998, rejected: 1 } });
  const list = 'id, big, price, tags, doc, raw, day, at, took, ok, ratio';
  expect(
    await sql(`select count(*)::int from (select ${list} from talks where id <> 7 except select ${list} from told) q`),
  ).toEqual([{ count: 0 }]);
  expect(await sql('select count(*)::int, min(tag) as tag from told_tags')).toEqual([{ count: 4999, tag: 'a' }]);
  const [reject] = await sql(`select raw::text, message from drayage.rejects`);
  expect(reject).toMatchObject({
    raw: expect.stringContaining('"id":7'),
    message: expect.stringContaining('no seven'),
  });
});

test('and those of a file, whose unreadable lines are rejects once', async () => {
  await project.write('people.csv', 'id,name\n1,a\n2,b,c\n3,d\n');
  await project.write(
    'jobs/people.ts',
    `import { defineJob, files, table } from 'drayage';
export default defineJob({
  name: 'people', description: 'People', source: () => files('people.csv', { columns: { id: 'INTEGER', name: 'VARCHAR' } }),
  transform: ({ id, name }, emit) => emit.people({ id, name: name.toUpperCase() }),
  targets: { people: table({ createTable: 'infer', columns: { id: 'integer', name: 'text' } }) },
});`,
  );
  const report = await drayage.run('people', {}, false);
  expect(report).toMatchObject({ state: 'completed_with_rejects', rows: { read: 3, written: 2, rejected: 1 } });
  expect(await sql('select id, name from people order by id')).toEqual([
    { id: 1, name: 'A' },
    { id: 3, name: 'D' },
  ]);
  expect(await sql(`select reason, row_number from drayage.rejects where reason = 'ragged'`)).toEqual([
    { reason: 'ragged', row_number: 3 },
  ]);
});
