import { expect, test } from 'vitest';
import type { TestDatabase } from '../helpers/database.ts';
import { writeParquet } from '../helpers/duck.ts';
import { useDrayage, type Workshop } from '../helpers/in-process.ts';
import type { TestProject } from '../helpers/project.ts';

let project: TestProject;
let database: TestDatabase;
let drayage: Workshop['drayage'];

const ROWS = 30_000;

const duck = useDrayage(async (opened) => {
  ({ project, database, drayage } = opened);
  // A sequence counts what is rolled back, too.
  await database.pool.query(`
    create table readings (id int, value smallint);
    create sequence tries;
    create function refuse() returns trigger language plpgsql as $$ begin
      perform nextval('tries');
      if new.id > 2 then raise 'no % today', new.id; end if;
      return new;
    end $$;
    create trigger refuse before insert on readings for each row execute function refuse();`);
});

/** Loads rows of which all but the first two are refused. */
async function load(maxRejects: string, query: string, options = '') {
  await project.write(
    'jobs/readings.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'readings', description: 'Readings', source: () => files('readings.parquet'), maxRejects: ${maxRejects},
       ${options} targets: { readings: table() },
     });`,
  );
  await writeParquet(duck, query, `${project.root}/readings.parquet`);
  await database.pool.query('alter sequence tries restart');
  const { state, errors } = await drayage.run('readings', {});
  const { rows } = await database.pool.query(
    `select nextval('tries')::int as tries, (select count(*)::int from readings) as loaded,
       (select count(*)::int from drayage.rejects) as rejects, (select count(*)::int from drayage.loads) as ledger`,
  );
  const { tries, ...left } = rows[0];
  // Nothing of the partition is there.
  expect({ state, ...left }).toEqual({ state: 'failed', loaded: 0, rejects: 0, ledger: 0 });
  return { tries, error: errors[0]! };
}

const REFUSED = `select i::int as id, 1::int as value from range(1, ${ROWS + 1}) t(i)`;

test('a partition fails as soon as Postgres has refused more rows than allowed, and says what the first ones were', async () => {
  const { tries, error } = await load('7', REFUSED);
  expect(tries).toBeLessThan(100);
  expect(error).toMatchObject({ code: 'TOO_MANY_REJECTS' });
  expect(error.message).toMatch(
    /8 rows or more were rejected.*allows 7.*row 3: no 3 today; row 4: no 4 today; row 5: no 5 today/,
  );
});

test('so it does when none is allowed, and when a share is, of as many rows as there are', async () => {
  expect((await load('0', REFUSED)).tries).toBeLessThan(20);
  const { tries, error } = await load(`'0.1%'`, REFUSED);
  expect(tries).toBeLessThan(500);
  expect(error.message).toMatch(/31 rows or more were rejected.*allows 0.1%/);
});

test('of how many rows a share is meant shows at the end when a transform makes the rows', async () => {
  const transform = 'transform: sql`select id, value from source where id < 1000`,';
  const { error } = await load(`'1%'`, REFUSED, transform);
  expect(error.message).toMatch(/997 of 999 rows were rejected.*allows 1%/);
});

test('what Postgres quotes of a wide row is cut short', async () => {
  const columns = Array.from({ length: 300 }, (_, column) => `c${column}`);
  await database.pool.query(`create table wide (${columns.map((name) => `${name} int`).join(', ')}, check (c0 < 0))`);
  await project.write(
    'jobs/wide.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'wide', description: 'Wide', source: () => files('wide.parquet'), maxRejects: 0, targets: { wide: table() },
     });`,
  );
  const list = columns.map((name) => `123456789 as ${name}`).join(', ');
  await writeParquet(duck, `select ${list} from range(5)`, `${project.root}/wide.parquet`);
  const { errors } = await drayage.run('wide', {});
  expect(errors[0]!.message).toMatch(/row 1: new row for relation.*…/);
  expect(errors[0]!.message.length).toBeLessThan(1000);
});

test('what went into other tables goes with it', async () => {
  await database.pool.query('create table names (id int)');
  await project.write(
    'jobs/both.ts',
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: 'both', description: 'Both', source: () => files('both.parquet'), maxRejects: 1,
       transform: { names: sql\`select id from source\`, readings: sql\`select id, value from source\` },
       targets: { names: table(), readings: table() },
     });`,
  );
  await writeParquet(duck, 'select i::int as id, 40000 as value from range(3) t(i)', `${project.root}/both.parquet`);
  const { errors } = await drayage.run('both', {});
  expect(errors).toMatchObject([{ code: 'TOO_MANY_REJECTS', message: expect.stringContaining('allows 1') }]);
  const { rows } = await database.pool.query('select count(*)::int as names from names');
  expect(rows).toEqual([{ names: 0 }]);
});

test('rows that cannot be encoded count with them', async () => {
  const { tries, error } = await load(
    '5',
    `select i::int as id, if(i < 9, 40000, 1)::int as value from range(${ROWS}) t(i)`,
  );
  expect(tries).toBeLessThan(10);
  expect(error.message).toMatch(/row 1: column "value": .*; row 2: column "value"/);
});
