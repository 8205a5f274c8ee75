import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashImage } from '../../src/postgres/image-hash.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';
import { checksumOfQuery } from '../helpers/table-checksum.ts';

const duck = createDuck();
let project: TestProject;
let database: TestDatabase;

/** Every third row is in the table already, every ninth of those differs, and every fifth cannot be loaded. */
const ROWS = 30_000;
const SOURCE = `select (i % 100)::int as a, 'k' || (i // 100) as b, if(i % 5 = 4, 'x' || chr(0), 'row ' || i) as text,
  if(i % 7 = 0, null, i * 1.5::double) as number, [i, null]::int[] as list, {i: i}::json as document from range(${ROWS}) t(i)`;
const TABLE = `(a int, b text, text text, number double precision, list int[], document jsonb, extra int default 5,
  primary key (a, b))`;

beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  await writeParquet(duck, SOURCE, `${project.root}/rows.parquet`, 4096);
});
afterAll(async () => {
  await duck.close();
  await project.remove();
  await database.drop();
});

async function load(name: string, target: string, transform = '') {
  const job = name.replace('_', '-');
  await project.write(
    `jobs/${job}.ts`,
    `import { defineJob, files, sql, table } from 'drayage';
     export default defineJob({
       name: '${job}', description: 'Test', source: () => files('rows.parquet'), targets: { ${name}: table(${target}) },
       ${transform}
     });`,
  );
  const finished = await project.dray(['run', job, '--force', '--json']);
  return JSON.parse(finished.stdout);
}

describe.each(['upsert', 'merge'])('%s', (mode) => {
  const target = `{ mode: '${mode}', key: ['a', 'b']${mode === 'merge' ? ', complete: true' : ''} }`;

  test('new, changed, unchanged and bad rows each go their way, and a second load finds nothing to do', async () => {
    await database.pool.query(`
      create table rows_${mode} ${TABLE};
      insert into rows_${mode} select i % 100, 'k' || i / 100,
        case when i % 9 = 0 then 'old' else 'row ' || i end, case when i % 7 <> 0 then i * 1.5 end, array[i, null],
        jsonb_build_object('i', i), 7 from generate_series(0, ${ROWS - 1}, 3) i`);
    const first = await load(`rows_${mode}`, target);
    const rejected = ROWS / 5;
    const added = rowsWhere((i) => i % 3 !== 0 && i % 5 !== 4);
    const changed = rowsWhere((i) => i % 9 === 0 && i % 5 !== 4);
    const written = added + changed;
    expect(first.rows).toMatchObject({ read: ROWS, rejected, written, unchanged: ROWS - rejected - written });

    const client = await database.pool.connect();
    const loaded = `select a, b, text, number, list, document from rows_${mode} where text like 'row %'
      and (substr(text, 5)::int % 5) <> 4`;
    const { rows, checksum } = await checksumOfQuery(client, loaded);
    client.release();
    expect({ rows, checksum }).toEqual({ rows: ROWS - rejected, checksum: first.checksum });
    const extras = await database.pool.query(
      `select extra, count(*)::int as n from rows_${mode} group by 1 order by 1`,
    );
    expect(extras.rows).toEqual([
      { extra: 5, n: added },
      { extra: 7, n: ROWS / 3 },
    ]);

    const versions = `select md5(string_agg(xmin::text, ',' order by a, b)) as versions from rows_${mode}`;
    const before = (await database.pool.query(versions)).rows;
    const second = await load(`rows_${mode}`, target);
    expect(second.rows).toMatchObject({ read: ROWS, rejected, written: 0, unchanged: ROWS - rejected });
    expect(second.checksum).toBe(first.checksum);
    expect((await database.pool.query(versions)).rows).toEqual(before);
  });
});

function rowsWhere(holds: (i: number) => boolean): number {
  return Array.from({ length: ROWS }, (_, i) => i).filter(holds).length;
}

test('a transform that gives other rows each time it is run loses none and doubles none', async () => {
  await database.pool.query(
    `create table dice ${TABLE}; insert into dice (a, b) select i, 'k0' from generate_series(0, 99) i`,
  );
  const report = await load(
    'dice',
    `{ mode: 'upsert', key: ['a', 'b'] }`,
    `transform: sql\`select a, b, text from source where position(chr(0) in text) = 0 order by random()\`,`,
  );
  const { read, written, unchanged, superseded, rejected } = report.rows;
  expect(read).toBe((ROWS / 5) * 4);
  expect(read).toBe(written + unchanged + superseded + rejected);
  const wrong = await database.pool.query(
    `select count(*)::int as n from dice where text is distinct from 'row ' || (substr(b, 2)::int * 100 + a) and a % 5 <> 4`,
  );
  expect(wrong.rows).toEqual([{ n: 0 }]);
});

test('the hash tells images apart that differ in any two words', () => {
  const view = new DataView(new ArrayBuffer(100));
  const bytes = new Uint8Array(view.buffer);
  const seen = new Set<string>();
  const hash = new Int32Array(2);
  const add = () => {
    hashImage(bytes, view, 3, 96, hash);
    seen.add(hash.join());
  };
  let images = 0;
  for (let one = 3; one < 95; one++) {
    for (let other = one + 1; other < 96; other++) {
      bytes[one] = 1;
      bytes[other] = 2;
      add();
      images++;
      bytes[one] = 0;
      bytes[other] = 0;
    }
  }
  expect(seen.size).toBe(images);
});
