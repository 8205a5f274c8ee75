import { rm, utimes } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeNumbersJob } from '../helpers/numbers-job.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

/** Runs whose producer did not come to its end; how that comes about is proved with real crashes. */
let at: Workspace;
useWorkspace(async (workspace) => {
  at = workspace;
  for (const file of ['a', 'b']) await at.project.write(`data/${file}.jsonl`, `{"id":${file === 'a' ? 1 : 2}}\n`);
  await writeNumbersJob(at);
});

/** As a producer leaves it that dies after its first transaction, which had one partition. */
async function cutShort(job = 'numbers'): Promise<number> {
  const { stdout } = await at.project.dray(['enqueue', job, '--force', '--json']);
  const { run } = JSON.parse(stdout);
  await at.database.pool.query(
    `update drayage.runs set state = 'planning', partitions_total = 1, partitions_pending = 1
    where id = $1`,
    [run],
  );
  const rest = `select key from drayage.partitions where run_id = $1 order by (key !~ '#id<') , key offset 1`;
  await at.database.pool.query(`delete from drayage.partitions where run_id = $1 and key in (${rest})`, [run]);
  await at.database.pool.query(`delete from drayage.events where run_id = $1`, [run]);
  return run;
}

test('what is missing is planned, and the run goes its way', async () => {
  const run = await cutShort();
  const resumed = await at.project.dray(['enqueue', '--resume', String(run)]);
  expect(resumed).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('1 partition added, 2 partitions to load, of 2'),
  });
  const { rows } = await at.database.pool.query(
    `select state, (select array_agg(action || (detail ->> 'resumed')) from drayage.events where run_id = r.id) as events
     from drayage.runs r where id = $1`,
    [run],
  );
  expect(rows).toEqual([{ state: 'queued', events: ['enqueuedtrue'] }]);
  const again = await at.project.dray(['enqueue', '--resume', String(run)]);
  expect(again).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`Run ${run} is queued, and not being planned`),
  });
});

test('a source that has changed since is not planned on', async () => {
  const run = await cutShort();
  await utimes(`${at.project.root}/data/a.jsonl`, new Date(), new Date());
  const resumed = await at.project.dray(['enqueue', '--resume', String(run)]);
  expect(resumed.code).toBe(1);
  expect(resumed.stderr).toContain(`The source has changed since run ${run} was begun`);
  expect(resumed.stderr).toContain('partition data/a.jsonl');
  const { rows } = await at.database.pool.query(
    `select state, error, partitions_cancelled as cancelled from drayage.runs where id = $1`,
    [run],
  );
  expect(rows).toEqual([{ state: 'failed', error: expect.stringContaining('has changed'), cancelled: 1 }]);
});

describe('tables', () => {
  const { job, rows } = {
    job: (name: string, source: string) =>
      at.project.write(
        `jobs/${name}.ts`,
        `import { defineJob, postgres, sql, table } from 'drayage';
         export default defineJob({ name: '${name}', description: 'Rows', source: () => postgres({ ${source} }),
           transform: sql\`select id from source\`, targets: { numbers: table({ ddl: 'numbers.sql' }) } });`,
      ),
    rows: async (query: string) => (await at.database.pool.query(query)).rows,
  };
  const grow = (from: number, to: number) =>
    rows(`insert into growing select i from generate_series(${from}, ${to}) i`);
  beforeAll(async () => {
    await rows('create table growing (id int primary key) with (autovacuum_enabled = off)');
    await grow(1, 300);
    await job('growing', `table: 'growing', partitionRows: 100`);
    await job('reloaded', `table: 'growing', partitionRows: 100, unchanged: 'reload'`);
  });

  test('without versions are planned on when they are cut as they were', async () => {
    const run = await cutShort('reloaded');
    const resumed = await at.project.dray(['enqueue', '--resume', String(run)]);
    expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining('2 partitions added') });
  });

  test.each([
    'growing',
    'reloaded',
  ])('that are cut otherwise now are not planned on, and no row is planned twice (%s)', async (name) => {
    const run = await cutShort(name);
    const [{ last }] = await rows('select max(id) as last from growing');
    await grow(last + 1, last + 150);
    const resumed = await at.project.dray(['enqueue', '--resume', String(run)]);
    expect(resumed.code).toBe(1);
    expect(resumed.stderr).toContain(`The source has changed since run ${run} was begun`);
    expect(await rows(`select state from drayage.partitions where run_id = ${run}`)).toEqual([{ state: 'cancelled' }]);
  });
});

test('a source that has fewer partitions now is not planned on', async () => {
  const run = await cutShort();
  await at.project.write('data/0.jsonl', '{"id":0}\n');
  const more = await at.project.dray(['enqueue', '--resume', String(run)]);
  expect([more.code, more.stderr]).toEqual([1, expect.stringContaining('partition data/0.jsonl')]);
  const again = await cutShort();
  for (const file of ['0', 'a']) await rm(`${at.project.root}/data/${file}.jsonl`);
  const fewer = await at.project.dray(['enqueue', '--resume', String(again)]);
  expect([fewer.code, fewer.stderr]).toEqual([1, expect.stringContaining('has changed since')]);
});

test('a run is resumed alone', async () => {
  const both = await at.project.dray(['enqueue', 'numbers', '--resume', '1']);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('dray enqueue --resume 1') });
  const neither = await at.project.dray(['enqueue']);
  expect(neither).toMatchObject({ code: 2, stderr: expect.stringContaining('No job is named') });
  const absent = await at.project.dray(['enqueue', '--resume', '999']);
  expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no run 999') });
});
