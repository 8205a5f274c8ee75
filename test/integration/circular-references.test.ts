import { beforeEach, expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';

/** Two tables of one job that refer to each other, so that neither can be filled first. */
let at: Workshop;
let database: TestDatabase;
const duck = useDrayage((workshop) => {
  at = workshop;
  ({ database } = workshop);
});

const select = async (query: string) => (await database.pool.query(query)).rows;

beforeEach(async () => {
  await database.pool.query(`
    drop table if exists teams, people cascade;
    create table teams (id int primary key, lead int not null, size int check (size > 0));
    create table people (id int primary key, team_id int not null);
    alter table teams add constraint teams_lead foreign key (lead) references people deferrable initially deferred;
    alter table people add constraint people_team foreign key (team_id) references teams deferrable initially deferred`);
});

/** Teams 0 to 9 with a lead each, and ten people in each. @param team columns that differ, by the row `i` of a person */
async function load(mode: string, { lead = 'i', team = 'i // 10', size = '1', files = 1 } = {}) {
  for (let file = 0; file < files; file++) {
    await writeParquet(
      duck,
      `select i::int as id, (${team})::int as team_id, if(i % 10 = 0, ${lead}, null)::int as lead,
         (${size})::int as size from range(${file * 100}, ${(file + 1) * 100}) t(i)`,
      `${at.project.root}/org-${file}.parquet`,
    );
  }
  await at.project.write(
    'jobs/org.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'org', description: 'Teams', source: () => files('org-*.parquet'),
       transform: {
         teams: sql\`select (id // 10)::int as id, lead, size from source where id % 10 = 0\`,
         people: sql\`select id, team_id from source\`,
       },
       targets: { teams: table(${mode}), people: table(${mode}) },
     });`,
  );
  return at.drayage.run('org', {});
}

const counts = () =>
  select('select (select count(*)::int from teams) as teams, (select count(*)::int from people) as people');

test.each(['{}', `{ mode: 'upsert', key: ['id'] }`])('rows that refer to each other load: %s', async (mode) => {
  const report = await load(mode, { lead: 'i + 9' });
  expect(report).toMatchObject({ state: 'succeeded', rows: { written: 110, rejected: 0 } });
  expect(await counts()).toEqual([{ teams: 10, people: 100 }]);
  if (mode === '{}') return;
  expect(await load(mode, { lead: 'i + 9' })).toMatchObject({ rows: { unchanged: 110, rejected: 0 } });
  expect(await load(mode, { lead: 'i + 3' })).toMatchObject({ rows: { written: 10, unchanged: 100 } });
});

test.each([
  '{}',
  `{ mode: 'upsert', key: ['id'] }`,
])('of bad rows among them those are rejected that refer to nothing, and those that refer to them: %s', async (mode) => {
  // Team 3 has a lead that nobody is; team 7 breaks a check, and the lead of team 5 is in it; person 77 is in no team.
  const report = await load(mode, {
    lead: 'case i when 30 then 999 when 50 then 71 else i end',
    team: 'if(i = 77, 888, i // 10)',
    size: 'if(i = 70, -1, 1)',
  });
  const rejected = await select(
    `select table_name as table, (raw->>'id')::int as id, reason, row_number::int as row, message from drayage.rejects
       where run_id = ${report.run} order by 1, 2`,
  );
  // Without team 7 its people are in no team, and with person 71 goes team 5, and with that its people.
  const people = [...range(30, 40), ...range(50, 60), ...range(70, 80)];
  expect(rejected.map(({ table, id, reason }) => [table, id, reason])).toEqual([
    ...people.map((id) => ['public.people', id, 'foreign_key']),
    ['public.teams', 3, 'foreign_key'],
    ['public.teams', 5, 'foreign_key'],
    ['public.teams', 7, 'check'],
  ]);
  expect(rejected.find(({ table, id }) => table === 'public.teams' && id === 3)).toMatchObject({
    row: 31,
    message: expect.stringContaining('"teams_lead"'),
  });
  expect(report.rows).toMatchObject({ read: 110, written: 77, rejected: 33 });
  expect(await counts()).toEqual([{ teams: 7, people: 70 }]);
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('a key whose column is not loaded fails the partition with the key in the error', async () => {
  await database.pool.query('alter table teams alter lead set default 999');
  await writeParquet(duck, 'select 1 as id', `${at.project.root}/one.parquet`);
  await at.project.write(
    'jobs/one.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'one', description: 'One', source: () => files('one.parquet'),
       transform: { teams: sql\`select id from source\`, people: sql\`select id, 1 as team_id from source\` },
       targets: { teams: table(), people: table() },
     });`,
  );
  const report = await at.drayage.run('one', {});
  expect(report).toMatchObject({ state: 'failed', errors: [{ code: 'LOAD_REFUSED' }] });
  expect(report.errors[0]!.message).toMatch(/teams_lead.*\(lead\)=\(999\)/s);
  expect(await counts()).toEqual([{ teams: 0, people: 0 }]);
});

test('a key that cannot wait for a later table is told by the plan', async () => {
  await database.pool.query('alter table teams alter constraint teams_lead not deferrable');
  await load('{}');
  const { stdout } = await at.project.dray(['plan', 'org', '--json']);
  expect(JSON.parse(stdout).warnings).toEqual([
    expect.stringMatching(
      /^public\.teams: the foreign key teams_lead refers to public\.people, which is filled later.*rejected.*alter table public\.teams alter constraint teams_lead deferrable/,
    ),
  ]);
});

test('partitions that share a transaction find their keys deferred, each anew', async () => {
  await database.pool.query('alter table teams alter constraint teams_lead deferrable initially immediate');
  expect(await load('{}', { files: 30 })).toMatchObject({
    state: 'succeeded',
    partitions: { done: 30 },
    rows: { written: 3300 },
  });
});
