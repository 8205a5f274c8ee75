import { expect, test } from 'vitest';
import { writeNumbersJob } from '../helpers/numbers-job.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

const FILES = 60;
const names = Array.from({ length: FILES }, (_, index) => `data/${String(index).padStart(3, '0')}.jsonl`);

let at: Workspace;
useWorkspace(async (workspace) => {
  at = workspace;
  for (const [index, name] of names.entries()) await at.project.write(name, `{"id":${index}}\n`);
  await writeNumbersJob(at);
});

test('partitions and their jobs come in the order of the source', async () => {
  const { code } = await at.project.dray(['enqueue', 'numbers']);
  expect(code).toBe(0);
  const { pool } = at.database;
  const partitions = await pool.query('select id::int, file from drayage.partitions order by id');
  expect(partitions.rows.map(({ file }) => file)).toEqual(names);
  // As pg-boss takes them: those of one moment as they lie.
  const jobs = await pool.query(
    `select (data ->> 'partition')::int as id from pgboss.job where name = 'drayage-partitions' order by created_on, ctid`,
  );
  expect(jobs.rows.map(({ id }) => id)).toEqual(partitions.rows.map(({ id }) => id));
});
