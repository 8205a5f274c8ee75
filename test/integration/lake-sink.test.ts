import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunReport } from '../../src/runs/report.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { filesOnDisk, manifests, queryLake, soundFiles } from '../helpers/lake-files.ts';
import { useWorkspace, type Workspace } from '../helpers/workspace.ts';

let { project, database }: Partial<Workspace> = {};
let drayage: Awaited<ReturnType<typeof openDrayage>>;
const duck = useWorkspace((opened) => {
  ({ project, database } = opened);
});

beforeAll(async () => {
  drayage = await openDrayage(project!.root, database!.url);
});
afterAll(() => drayage.close());

const HEAD = `import { defineJob, files, lake, sql } from 'drayage';`;
const job = (name: string, rest: string) =>
  project!.write(
    `jobs/${name}.ts`,
    `${HEAD}
export default defineJob({
  name: '${name}', description: 'Test', params: { path: { type: 'string' } },
  source: ({ path }) => files(path), ${rest} });`,
  );
const run = (name: string, path: string, force = false): Promise<RunReport> => drayage.run(name, { path }, force);
const root = (name: string) => `${project!.root}/${name}`;

test('rows go into the folders of their dates, and the manifest says what is there', async () => {
  await project!.write(
    'tickets.csv',
    'id,opened_at,subject\n1,2026-01-05 10:00:00,a\n2,2026-01-05 23:59:59,b\n3,2026-11-30 00:00:00,c\n',
  );
  await job('days', `targets: { ticket: lake({ root: 'days', date: 'opened_at' }) }`);
  const report = await run('days', 'tickets.csv');
  expect(report).toMatchObject({ state: 'succeeded', rows: { read: 3, written: 3, rejected: 0 } });
  const files = await soundFiles(duck, root('days'));
  expect(files.map(({ path }) => path.replace(/-[0-9a-f]{16}\./, '-x.'))).toEqual([
    `ticket/year=2026/month=01/day=05/job_${report.run}-x.parquet`,
    `ticket/year=2026/month=11/day=30/job_${report.run}-x.parquet`,
  ]);
  expect(files[0]).toMatchObject({
    dataset: 'ticket',
    rows: 2,
    columns: [
      { name: 'id', type: 'BIGINT' },
      { name: 'opened_at', type: 'TIMESTAMP' },
      { name: 'subject', type: 'VARCHAR' },
    ],
    source: { partition: 'tickets.csv', fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) },
  });
  const [manifest] = await manifests(root('days'));
  expect(manifest).toMatchObject({ job: 'days', run: expect.stringMatching(`-${report.run}$`), removes: [] });
  expect(await queryLake(duck, root('days'), 'ticket', 'select * from lake order by id')).toHaveLength(3);
});

test('the same content again changes nothing, and by force takes the place of what was there', async () => {
  const again = await run('days', 'tickets.csv');
  expect(again).toMatchObject({ state: 'succeeded', partitions: { skipped: 1, done: 0 } });
  expect(await manifests(root('days'))).toHaveLength(1);
  expect(await filesOnDisk(root('days'))).toHaveLength(2);
  await run('days', 'tickets.csv', true);
  expect(await manifests(root('days'))).toHaveLength(2);
  expect(await queryLake(duck, root('days'), 'ticket', 'select id from lake order by id')).toHaveLength(3);
});

test('a lake that was made anew counts as empty', async () => {
  await rm(root('days'), { recursive: true });
  expect(await run('days', 'tickets.csv')).toMatchObject({ partitions: { done: 1 }, rows: { written: 3 } });
  expect(await soundFiles(duck, root('days'))).toHaveLength(2);
});
