import { expect, test } from 'vitest';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';

let at: Workshop;
const duck = useDrayage((workshop) => {
  at = workshop;
});
const select = async (query: string) => (await at.database.pool.query(query)).rows;

/** Loads numbers from `from` on into parents, and one child of each. */
async function load(from: number, options = `{ mode: 'replace' }`) {
  await writeParquet(
    duck,
    `select i::int as id from range(${from}, ${from + 3}) t(i)`,
    `${at.project.root}/family.parquet`,
  );
  await at.project.write(
    'jobs/family.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'family', description: 'Test', source: () => files('family.parquet'),
       transform: { parents: sql\`select id, id * 10 as eldest from source\`, children: sql\`select id * 10 as id, id as parent from source\` },
       targets: { parents: table(${options}), children: table(${options}) },
     });`,
  );
  return at.drayage.run('family', {});
}

const keys = `select conrelid::regclass::text as child, confrelid::regclass::text as parent, conname as name from pg_constraint
  where contype = 'f' and (conrelid in ('children'::regclass, 'parents'::regclass, 'pets'::regclass)) order by 1, 2`;
const children = () => select('select parent from children order by id');

test('tables that refer to each other are replaced together, and so are those that do so both ways', async () => {
  await at.database.pool.query(`
    create table parents (id int primary key, eldest int); insert into parents values (1), (2);
    create table children (id int primary key, parent int references parents); insert into children values (1, 1), (2, 2);
    create table pets (parent int references parents); insert into pets values (2)`);
  const before = await select(keys);
  const first = await load(2);
  expect(first).toMatchObject({ state: 'succeeded', rows: { written: 6, rejected: 0 } });
  expect(await children()).toEqual([{ parent: 2 }, { parent: 3 }, { parent: 4 }]);
  expect(await select(keys)).toEqual(before);
  await expect(at.database.pool.query('insert into children values (5, 1)')).rejects.toThrow(/foreign key/);
  expect(await select(`select parent from children__before_${first.run} order by id`)).toEqual([
    { parent: 1 },
    { parent: 2 },
  ]);
  await at.database.pool.query(`drop table children__before_${first.run}, parents__before_${first.run}`);

  await at.database.pool.query(
    'alter table parents add constraint eldest foreign key (eldest) references children deferrable initially deferred',
  );
  const both = await select(keys);
  expect(await load(1)).toMatchObject({ state: 'succeeded', rows: { written: 6, rejected: 0 } });
  expect(await children()).toEqual([{ parent: 1 }, { parent: 2 }, { parent: 3 }]);
  expect(await select(keys)).toEqual(both);
});

test('a run that loads nothing leaves them, and nothing behind', async () => {
  await at.database.pool.query('alter table parents add check (id < 100); alter table children add check (id < 1000)');
  expect(await load(200)).toMatchObject({ state: 'completed_with_rejects', rows: { written: 0 } });
  expect(await children()).toEqual([{ parent: 1 }, { parent: 2 }, { parent: 3 }]);
  expect(await select(`select relname from pg_class where relname like '%\\_\\_run%'`)).toEqual([]);
});
