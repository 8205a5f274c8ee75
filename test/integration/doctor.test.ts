import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../../src/runs/checkup.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { TestProject } from '../helpers/project.ts';
import { startS3 } from '../helpers/s3.ts';

let database: TestDatabase;
let project: TestProject;
let role: string;
beforeAll(async () => {
  database = await createDatabase();
  project = await TestProject.create(database.url);
  role = `doctor_${new URL(database.url).pathname.slice(1)}`;
  await database.pool.query(`create role ${role} login password 'p'`);
});
beforeEach(async () => {
  await project.dray(['db', 'up']);
});
afterAll(async () => {
  await database.pool.query(`drop owned by ${role}; drop role ${role}`);
  await project.remove();
  await database.drop();
});

async function examine(args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const { code, stdout } = await project.dray(['doctor', '--json', ...args], env);
  const findings: Finding[] = JSON.parse(stdout);
  return { code, of: (check: string) => findings.filter((finding) => finding.check === check).at(-1), findings };
}

test('a database as it should be is ready, and every line that is no praise says what to do', async () => {
  const { code, findings, of } = await examine();
  expect(code).toBe(0);
  expect(of('control schema')).toMatchObject({ level: 'ok' });
  for (const check of [
    'Postgres',
    'TLS',
    'sessions',
    'permissions',
    'connections',
    'timeouts',
    'queue',
    'disk',
    'memory',
  ])
    expect(of(check)).toMatchObject({ level: 'ok', mend: null });
  for (const { level, mend } of findings) expect(mend === null).toBe(level === 'ok');
  expect(await project.dray(['doctor'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/Ready to run\.\n$/) });
});

test('a role without rights, with little time and few connections is told so', async () => {
  const url = new URL(database.url);
  const name = url.pathname.slice(1);
  await database.pool.query(`revoke all on schema drayage from ${role}; alter role ${role} connection limit 3`);
  await database.pool.query(`alter role ${role} in database ${name} set statement_timeout = '30s'`);
  [url.username, url.password] = [role, 'p'];
  const { code, of } = await examine([], { DATABASE_URL: url.href });
  expect(code).toBe(1);
  expect(of('permissions')).toMatchObject({
    level: 'problem',
    mend: expect.stringMatching(/grant create on database/),
  });
  expect(of('control schema')).toMatchObject({ level: 'problem', mend: expect.stringMatching(/permission denied/) });
  expect(of('timeouts')).toMatchObject({ level: 'warning', mend: expect.stringMatching(/set statement_timeout = 0/) });
  expect(of('connections')).toMatchObject({ level: 'problem', found: expect.stringMatching(/of 3 in use/) });
});

test('what the queue suffers from is told: no worker, a run that is paused', async () => {
  await database.pool.query(
    `insert into drayage.runs (job, job_path, job_version, params, state, retries, partitions_total, partitions_pending)
     values ('a', 'x', '1', '{}', 'queued', 0, 7, 7), ('b', 'x', '1', '{}', 'paused', 0, 0, 0)`,
  );
  const { code, of } = await examine();
  expect(code).toBe(0);
  expect(of('queue')).toMatchObject({
    level: 'warning',
    found: expect.stringMatching(/^7 partitions wait/),
    mend: expect.stringMatching(/dray work/),
  });
  expect(of('paused')).toMatchObject({ level: 'note', mend: expect.stringMatching(/dray resume/) });
});

test('a job that cannot be used, a server that is not there and a folder that cannot be written fail by themselves', async () => {
  await project.write('jobs/broken.ts', 'export default 1;');
  const env = {
    DATABASE_URL: 'postgresql://me:secret@127.0.0.1:1/none',
    DRAYAGE_HOME: `${project.root}/package.json/home`,
  };
  const { code, of, findings } = await examine([], env);
  expect(code).toBe(1);
  expect(of('jobs')).toMatchObject({ level: 'problem', mend: expect.stringMatching(/no job as its default export/) });
  expect(of('Postgres')).toMatchObject({ level: 'problem', mend: expect.stringMatching(/ECONNREFUSED/) });
  expect(of('disk')).toMatchObject({ level: 'problem', mend: expect.stringMatching(/DRAYAGE_HOME/) });
  expect(JSON.stringify(findings)).not.toContain('secret');
});

test('access to S3 is tried when asked for', async () => {
  const s3 = await startS3('bucket');
  try {
    await new S3Client({
      endpoint: s3.endpoint,
      forcePathStyle: true,
      region: 'eu-west-2',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    }).send(new PutObjectCommand({ Bucket: 'bucket', Key: 'in/a.csv', Body: 'id\n1\n' }));
    expect((await examine(['--s3', 's3://bucket/in/'], s3.env)).of('S3')).toMatchObject({
      level: 'ok',
      found: expect.stringMatching(/a\.csv/),
    });
    expect((await examine(['--s3', 's3://bucket/none/'], s3.env)).of('S3')).toMatchObject({ level: 'note' });
    expect((await examine(['--s3', 's3://missing/in/'], s3.env)).of('S3')).toMatchObject({ level: 'problem' });
  } finally {
    await s3.stop();
  }
});
