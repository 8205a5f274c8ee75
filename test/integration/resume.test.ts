import { utimes } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

/** Runs whose producer did not come to its end; how that comes about is proved with real crashes. */
let at: Workspace;
useWorkspace(async (workspace) => {
  at = workspace;
  for (const file of ['a', 'b']) await at.project.write(`data/${file}.jsonl`, `{"id":${file === 'a' ? 1 : 2}}\n`);
  await at.project.write('sql/targets/numbers.sql', 'create table numbers (id bigint)');
  await at.project.write(
    'jobs/numbers.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'numbers', description: 'Numbers', source: () => files('data', { columns: { id: 'bigint' } }),
       targets: { numbers: table({ ddl: 'numbers.sql' }) },
     });`,
  );
});

/** As a producer leaves it that dies after its first transaction, which had one partition. */
async function cutShort(): Promise<number> {
  const { stdout } = await at.project.dray(['enqueue', 'numbers', '--force', '--json']);
  const { run } = JSON.parse(stdout);
  await at.database.pool.query(
    `update drayage.runs set state = 'planning', partitions_total = 1, partitions_pending = 1
    where id = $1`,
    [run],
  );
  await at.database.pool.query(`delete from drayage.partitions where run_id = $1 and file = 'data/b.jsonl'`, [run]);
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

test('a run is resumed alone', async () => {
  const both = await at.project.dray(['enqueue', 'numbers', '--resume', '1']);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('dray enqueue --resume 1') });
  const neither = await at.project.dray(['enqueue']);
  expect(neither).toMatchObject({ code: 2, stderr: expect.stringContaining('No job is named') });
  const absent = await at.project.dray(['enqueue', '--resume', '999']);
  expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no run 999') });
});
