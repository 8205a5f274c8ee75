import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createPool } from '../../src/postgres/pool.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createDuck, writeParquet } from '../helpers/duck.ts';
import { TestProject } from '../helpers/project.ts';

const PGBOUNCER = ['/usr/sbin/pgbouncer', 'pgbouncer'].find((path) => spawnSync(path, ['--version']).status === 0);
if (!PGBOUNCER) console.warn('There is no pgbouncer here: what a pooler does is not tested.');

/** Notifications are lost, and every transaction may have another session. */
describe.skipIf(!PGBOUNCER)('through PgBouncer in transaction mode', () => {
  let database: TestDatabase;
  let project: TestProject;
  let pooler: ChildProcess;
  let folder: string;
  const duck = createDuck();

  beforeAll(async () => {
    database = await createDatabase();
    folder = await mkdtemp(join(tmpdir(), 'drayage-pooler-'));
    await chmod(folder, 0o755);
    const { hostname, port, username, password, pathname } = new URL(database.url);
    const own = await freePort();
    await writeFile(
      join(folder, 'pgbouncer.ini'),
      `[databases]
* = host=${hostname} port=${port} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
`,
    );
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    pooler = spawn(PGBOUNCER!, [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
    const url = `postgresql://${username}@127.0.0.1:${own}${pathname}`;
    project = await TestProject.create(url);
    await vi.waitUntil(() => reaches(url), { timeout: 20_000, interval: 100 });
    await writeParquet(duck, 'select i as id from range(20480) t(i)', `${project.root}/log.parquet`, 2048);
    await project.write('sql/targets/log.sql', 'create table log (id bigint)');
    await project.write(
      'jobs/log.ts',
      `import { defineJob, files, table } from 'drayage';
       export default defineJob({
         name: 'log', description: 'Log', source: () => files('log.parquet', { partitionRows: 2048 }), targets: { log: table({ ddl: 'log.sql' }) },
       });`,
    );
  });
  afterAll(async () => {
    pooler?.kill('SIGKILL');
    await duck.close();
    await project?.remove();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('workers find the work by polling, and load every row once', async () => {
    const worker = project.spawn(['work']);
    worker.stdout.resume();
    worker.stderr.resume();
    await vi.waitUntil(
      async () => {
        const { rows } = await database.pool.query(`select to_regclass('drayage.workers') is not null as made`);
        return rows[0].made && (await database.pool.query('select from drayage.workers')).rowCount === 1;
      },
      { timeout: 30_000, interval: 100 },
    );
    expect(await project.dray(['enqueue', 'log'])).toMatchObject({ stderr: '', code: 0 });
    await vi.waitUntil(
      async () => (await database.pool.query('select finished_at from drayage.runs')).rows[0].finished_at !== null,
      { timeout: 40_000, interval: 100 },
    );
    const { rows } = await database.pool.query(
      'select count(*)::int as rows, count(distinct id)::int as ids, (select state from drayage.runs) as state from log',
    );
    expect(rows).toEqual([{ rows: 20_480, ids: 20_480, state: 'succeeded' }]);
    worker.kill('SIGTERM');
    expect((await project.dray(['pause', '1'])).code).toBe(2);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function reaches(url: string): Promise<boolean> {
  const pool = createPool(url, { max: 1, applicationName: 'test' });
  try {
    await pool.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await pool.end();
  }
}
