import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/base/config.ts';
import { renderMetrics } from '../../src/runs/metrics.ts';
import { ensureSchema, openQueue, openServices, type Services } from '../../src/runs/services.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openDrayage } from '../helpers/in-process.ts';
import { TestProject } from '../helpers/project.ts';
import { problemsOf, samplesOf } from '../helpers/prometheus.ts';

/** As a label, it needs every escape that there is. */
const ODD_JOB = 'a "job"\\ of\ntwo lines';

let database: TestDatabase;
let project: TestProject;
let services: Services;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  services = await openServices(readConfig({ DATABASE_URL: database.url }, project.root));
});
afterAll(async () => {
  await services.closers.close();
  await project.remove();
  await database.drop();
});

const value = (text: string, name: string, labels: Record<string, string>) =>
  samplesOf(text).find(
    (sample) => sample.name === name && Object.entries(labels).every(([key, label]) => sample.labels[key] === label),
  )?.value;

test('an empty database has its metrics, before the queue is installed and after', async () => {
  await ensureSchema(services);
  const text = await renderMetrics(services);
  expect(problemsOf(text)).toEqual([]);
  expect(value(text, 'drayage_queue_depth', { queue: 'partitions' })).toBe(0);
  expect(value(text, 'drayage_workers', { state: 'alive' })).toBe(0);
  await openQueue(services, { supervise: false });
  expect(await renderMetrics(services)).toBe(text);
});

test('a run is measured: partitions, rows, bytes, durations, workers, and when it succeeded', async () => {
  await project.write('in/good.csv', 'id,note\n1,one\n2,two\n');
  await project.write('in/odd.csv', 'id,note\n3,three\nfour,four\n');
  await project.write(
    'jobs/notes.ts',
    `import { defineJob, files, table } from 'drayage';
     export default defineJob({
       name: 'notes', description: 'Notes', params: { path: { type: 'string' } }, maxRejects: 0,
       source: ({ path }) => files(path, { columns: { id: 'integer', note: 'varchar' } }),
       targets: { notes: table({ createTable: 'infer', key: ['id'], mode: 'upsert' }) },
     });`,
  );
  const drayage = await openDrayage(project.root, database.url);
  try {
    const began = Date.now() / 1000;
    await drayage.run('notes', { path: 'in/good.csv' });
    await drayage.run('notes', { path: 'in/*.csv' });
    const text = await renderMetrics(drayage.services);
    expect(problemsOf(text)).toEqual([]);
    const job = { job: 'notes' };
    expect(value(text, 'drayage_runs', { ...job, state: 'succeeded' })).toBe(1);
    expect(value(text, 'drayage_partitions', { ...job, state: 'done' })).toBe(2);
    expect(value(text, 'drayage_partitions', { ...job, state: 'failed' })).toBe(1);
    expect(value(text, 'drayage_rows_written_total', job)).toBe(2);
    expect(value(text, 'drayage_rows_unchanged_total', job)).toBe(2);
    expect(value(text, 'drayage_bytes_read_total', job)).toBe(2 * 'id,note\n1,one\n2,two\n'.length);
    expect(value(text, 'drayage_workers', { state: 'alive' })).toBe(1);
    expect(value(text, 'drayage_partition_duration_seconds_count', { ...job, state: 'done' })).toBe(2);
    expect(value(text, 'drayage_partition_duration_seconds_bucket', { ...job, state: 'failed', le: '+Inf' })).toBe(1);
    const took = value(text, 'drayage_partition_duration_seconds_sum', { ...job, state: 'done' })!;
    expect(took).toBeGreaterThan(0);
    expect(took).toBeLessThan(Date.now() / 1000 - began + 0.1);
    const succeeded = value(text, 'drayage_last_success_timestamp_seconds', job)!;
    expect(succeeded).toBeGreaterThanOrEqual(began - 1);
    expect(value(text, 'drayage_last_finish_timestamp_seconds', job)).toBeGreaterThan(succeeded);
  } finally {
    await drayage.close();
  }
});

test('a backlog is seen without a worker, a job of any name is told, and a million partitions cost nothing', async () => {
  const { rows } = await database.pool.query(
    `insert into drayage.runs (job, job_path, job_version, params, state, retries, partitions_total, partitions_pending)
     values ($1, 'jobs/odd.ts', '1', '{}', 'queued', 0, 1000000, 1000000) returning id`,
    [ODD_JOB],
  );
  await database.pool.query(
    `insert into drayage.partition_durations select $1, state, le, 62500, 62500 * 2
     from unnest(drayage.duration_bounds()) le, unnest(array['done', 'failed']) state`,
    [rows[0].id],
  );
  const before = performance.now();
  const text = await renderMetrics(services);
  expect(performance.now() - before).toBeLessThan(250);
  expect(problemsOf(text)).toEqual([]);
  expect(value(text, 'drayage_queue_depth', { queue: 'partitions' })).toBe(1_000_000);
  expect(value(text, 'drayage_partitions', { job: ODD_JOB, state: 'pending' })).toBe(1_000_000);
  const bucket = { job: ODD_JOB, state: 'done', le: '0.05' };
  expect(value(text, 'drayage_partition_duration_seconds_bucket', bucket)).toBe(62_500);
  expect(value(text, 'drayage_partition_duration_seconds_count', { job: ODD_JOB, state: 'done' })).toBe(1_000_000);
});

test.each([
  ['drayage_x 1', /no TYPE/],
  ['# TYPE drayage_x counter\n# HELP drayage_x X\ndrayage_x 1', /_total/],
  ['# TYPE drayage_x_total gauge\n# HELP drayage_x_total X\ndrayage_x_total 1', /only counters/],
  ['# TYPE x gauge\n# HELP x X\nx{partition="a"} 1', /partition/],
  ['# TYPE x gauge\n# HELP x X\nx{a="1"} 1\nx{a="1"} 2', /twice/],
  ['# TYPE x gauge\n# HELP x X\nx{a="1} 1', /cannot be read/],
  ['# TYPE x_ms gauge\n# HELP x_ms X\nx_ms 1', /base unit/],
  ['# TYPE x gauge\nx 1', /no HELP/],
  ['# TYPE x histogram\n# HELP x X\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1', /falls/],
  ['# TYPE x histogram\n# HELP x X\nx_bucket{le="1"} 2\nx_sum 1\nx_count 2', /\+Inf/],
])('the check finds fault with %j', (text, problem) => {
  expect(problemsOf(`${text}\n`).join('; ')).toMatch(problem);
});
