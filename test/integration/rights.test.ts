import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';

/** What a role that owns nothing needs on the tables that it loads, and what is told when it lacks some of it. */
const role = `loader_${randomBytes(4).toString('hex')}`;
const duck = createDuck();
let control: TestDatabase;
let target: TestDatabase;
let project: TestProject;
let drayage: Awaited<ReturnType<typeof openDrayage>>;

beforeAll(async () => {
  [control, target] = [await createDatabase(), await createDatabase()];
  const { rows } = await target.pool.query('select current_database() as name');
  await target.pool.query(`create role ${role} login password 'loader'; grant create on database ${rows[0].name} to ${role};
    revoke temporary on database ${rows[0].name} from public`);
  const url = new URL(target.url);
  [url.username, url.password] = [role, 'loader'];
  const DRAYAGE_TARGET_URL = url.href;
  project = await TestProject.create(control.url);
  project.env.DRAYAGE_TARGET_URL = DRAYAGE_TARGET_URL;
  drayage = await openDrayage(project.root, control.url, { DRAYAGE_TARGET_URL });
  await writeParquet(duck, `select i::int as id, 'n' || i as note from range(3) t(i)`, `${project.root}/notes.parquet`);
});
afterAll(async () => {
  await drayage.close();
  await duck.close();
  await project.remove();
  await target.drop();
  await control.pool.query(`drop role ${role}`);
  await control.drop();
});

const sql = async (query: string) => (await target.pool.query(query)).rows;
const temporary = (verb: string) => sql(`do $$ begin execute format('${verb}', current_database()); end $$`);

beforeEach(async () => {
  await sql(
    'drop schema if exists notes cascade; create schema notes; create table notes.notes (id int primary key, note text)',
  );
  await sql(`grant usage on schema notes to ${role}`);
  await temporary(`grant temporary on database %I to ${role}`);
});

/** Loads the notes. @param options of the table */
async function load(options = '{}', transform = 'select * from source') {
  await project.write(
    'jobs/notes.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'notes', description: 'Test', source: () => files('notes.parquet'), transform: sql\`${transform}\`,
       targets: { 'notes.notes': table(${options}) },
     });`,
  );
  return drayage.run('notes', {});
}

const refused = (message: string, hint: string) => ({
  code: 'TARGET_INVALID',
  message: expect.stringContaining(message),
  hint: expect.stringContaining(hint),
});

test.each([
  ['append', `{}`, 'insert', []],
  ['upsert', `{ mode: 'upsert', key: ['id'] }`, 'select, insert, update', ['select', 'insert', 'update']],
  ['upsert', `{ mode: 'upsert', key: ['id'], onConflict: 'ignore' }`, 'select, insert', ['select', 'insert']],
  ['upsert', `{ mode: 'upsert', key: ['id'], onConflict: 'error' }`, 'insert', []],
  [
    'merge',
    `{ mode: 'merge', key: ['id'], complete: true }`,
    'select, insert, update, delete',
    ['select', 'insert', 'update', 'delete'],
  ],
])('%s %s needs %s on the table, and says what is missing of it; with that, it loads', async (_, options, rights, each) => {
  const grant = `grant ${rights} on notes.notes to ${role}`;
  await expect(load(options)).rejects.toMatchObject(refused(`${rights} on notes.notes`, grant));
  for (const right of each) {
    await sql(`${grant}; revoke ${right} on notes.notes from ${role}`);
    await expect(load(options)).rejects.toMatchObject(refused(`needs: ${right} on notes.notes`, `grant ${right} on`));
  }
  await sql(grant);
  expect(await load(options)).toMatchObject({ state: 'succeeded', rows: { written: 3 } });
  if (!options.includes('error') && options !== '{}') {
    expect(await load(options)).toMatchObject({ state: 'succeeded', rows: { unchanged: 3 } });
    await temporary(`revoke temporary on database %I from ${role}`);
    await expect(load(options)).rejects.toMatchObject(refused('temporary on database', 'grant temporary on database'));
  }
});

test('rights by column suffice for the columns that are loaded', async () => {
  await sql(`grant insert (id) on notes.notes to ${role}`);
  await expect(load()).rejects.toMatchObject(
    refused('insert ("note") on notes.notes', `grant insert ("note") on notes.notes to ${role}`),
  );
  expect(await load('{}', 'select id from source')).toMatchObject({ state: 'succeeded' });
});

test('replace needs the table to be its own, and a schema that it may create tables in', async () => {
  const options = `{ mode: 'replace' }`;
  await expect(load(options)).rejects.toMatchObject({ message: expect.stringContaining('may not act for it') });
  await sql(`alter table notes.notes owner to ${role}`);
  await expect(load(options)).rejects.toMatchObject(
    refused('create on schema notes', `grant create on schema notes to ${role}`),
  );
  await sql(`grant create on schema notes to ${role}`);
  expect(await load(options)).toMatchObject({ state: 'succeeded', rows: { written: 3 } });
});

test('row security that holds for the role is told, since COPY does not go with it', async () => {
  await sql(`grant all on notes.notes to ${role}; alter table notes.notes enable row level security`);
  await expect(load()).rejects.toMatchObject(refused('Row security policies', `alter role ${role} bypassrls`));
  await sql(`alter role ${role} bypassrls`);
  expect(await load()).toMatchObject({ state: 'succeeded', rows: { written: 3 } });
});

test('sequences need a right where they number the rows, and others where rows bring their numbers', async () => {
  await sql(`create table notes.serial (id serial primary key, note text); drop table notes.notes;
    alter table notes.serial rename to notes; grant insert on notes.notes to ${role}`);
  await expect(load('{}', 'select note from source')).rejects.toMatchObject(
    refused('usage on sequence notes.serial_id_seq', `grant usage on sequence notes.serial_id_seq to ${role}`),
  );
  await sql(`grant usage on sequence notes.serial_id_seq to ${role}`);
  expect(await load('{}', 'select note from source')).toMatchObject({ state: 'succeeded', rows: { written: 3 } });

  const numbered = `select id + 50 as id, note from source`;
  await expect(load('{}', numbered)).rejects.toMatchObject(
    refused('select ("id") on notes.notes; select, update on sequence notes.serial_id_seq', 'grant select ("id")'),
  );
  await sql(`grant select (id) on notes.notes to ${role}; grant select, update on notes.serial_id_seq to ${role}`);
  expect(await load('{}', numbered)).toMatchObject({ state: 'succeeded', rows: { written: 3 } });
  expect(await sql(`select nextval('notes.serial_id_seq')::int as next`)).toEqual([{ next: 53 }]);
});

test('a schema that is closed, a table that cannot be made or altered: each says whose right is missing', async () => {
  await expect(load(`{ evolve: true }`, `select id, note, 1 as more from source`)).rejects.toMatchObject(
    refused('does not add "more"', 'Add what is missing yourself'),
  );
  await sql('drop table notes.notes');
  await expect(load(`{ createTable: 'infer' }`)).rejects.toMatchObject(
    refused('permission denied for schema notes', 'grant create on schema'),
  );
  await sql(`revoke usage on schema notes from ${role}`);
  await expect(load()).rejects.toMatchObject(refused('notes.notes is out of reach', 'Grant usage on the schema'));
});

test('the plan tells, too', async () => {
  const plan = () => project.dray(['plan', 'notes']);
  await expect(load()).rejects.toThrow();
  const told = await plan();
  expect(told.code).toBe(2);
  expect(told.stderr).toMatch(
    new RegExp(
      `The role ${role} lacks rights that the load needs: insert on notes.notes. Where: .*table notes.notes. As their owner: grant insert`,
    ),
  );
  await expect(load(`{ evolve: true }`, 'select id, note, 1 as more from source')).rejects.toThrow();
  await sql(`grant all on notes.notes to ${role}`);
  expect((await plan()).stderr).toMatch(/does not add "more" to the table: it belongs to another role/);
});
