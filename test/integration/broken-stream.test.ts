import { afterAll, expect, test } from 'vitest';
import { scan } from '../../src/duckdb/scan.ts';
import { createDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const duck = createDuck();
afterAll(() => duck.close());

async function count(sql: string, known?: number): Promise<number> {
  return duck.use(async (connection) => {
    let rows = 0;
    for await (const batch of scan(connection, sql, { rows: known })) rows += batch.numRows;
    return rows;
  });
}

test.each([0, 1, 2047, 2048, 2049, 1_000_000])('a result of %i rows has as many', async (rows) => {
  expect(await count(`select i, 'row ' || i as name from range(${rows}) t(i)`)).toBe(rows);
  expect(await count(`select * from range(${rows}) t(i) order by i desc`)).toBe(rows);
  expect(await count(`select * from range(${rows}) t(i)`, rows)).toBe(rows);
});

test.each([undefined, 1_000_000])('a query that fails half-way is told, and why; of %s rows', async (known) => {
  const late = `select if(i = 900000, error('at the end'), i) as i from range(1000000) t(i)`;
  await expect(count(late, known)).rejects.toThrow(/at the end/);
  await expect(count('select (i * 3000)::int as i from range(2000000) t(i)', known)).rejects.toThrow(/out of range/);
});

test('a query that has fewer rows than were said is no broken one', async () => {
  expect(await count('select i from range(5000) t(i)', 6000)).toBe(5000);
});

test('what goes wrong ahead is told to who asks for the next batch, however late, and to nobody else', async () => {
  const stop = new AbortController();
  await duck.use(async (connection) => {
    const batches = scan(connection, 'select * from range(1000000) t(i)', { signal: stop.signal });
    await batches.next();
    stop.abort(new Error('enough'));
    // Longer than the batch ahead takes: unless somebody minds its failure, the process would end by it.
    const work = () => count('select * from range(500000) t(i)');
    await work();
    const readOn = async () => {
      for await (const _ of batches) await work();
    };
    await expect(readOn()).rejects.toThrow('enough');
  });
});

test('a transform that fails half-way fails its partition, and nothing of it is loaded', async () => {
  const database = await createDatabase();
  const project = await TestProject.create(database.url);
  try {
    await project.write(
      'jobs/halfway.ts',
      `import { defineJob, files, sql, table } from 'drayage';
       export default defineJob({
         name: 'halfway', description: 'Test', source: () => files('halfway.parquet'),
         transform: sql\`select (i * 3000)::int as i from source\`, targets: { halfway: table() },
       });`,
    );
    await database.pool.query('create table halfway (i int)');
    await writeParquet(duck, 'select i from range(800000) t(i)', `${project.root}/halfway.parquet`);
    const finished = await project.dray(['run', 'halfway', '--json']);
    const report = JSON.parse(finished.stdout);
    expect(report.errors[0].message).toMatch(/out of range/);
    expect(report).toMatchObject({ state: 'failed', errors: [{ code: 'TRANSFORM_FAILED' }] });
    expect(report.errors[0].message).toMatch(/out of range/);
    const { rows } = await database.pool.query('select count(*)::int as n from halfway');
    expect(rows).toEqual([{ n: 0 }]);
  } finally {
    await project.remove();
    await database.drop();
  }
});
