import type pg from 'pg';
import pino from 'pino';
import { readConfig, type WebConfig } from '../../src/base/config.ts';
import { ensureSchema, openServices } from '../../src/runs/services.ts';
import { startServing } from '../../src/web/serve.ts';
import { readSettings } from '../../src/web/settings.ts';

export const TOKEN = 'a token for tests only';

/** The pages of a database, at a free port. */
export async function startWeb(url: string, given: Partial<WebConfig> = {}, root = process.cwd()) {
  const config = readConfig({ DATABASE_URL: url }, root);
  const services = await openServices(config, { loads: 4 });
  await ensureSchema(services);
  const settings = readSettings({ ...config.web, port: 0, ...given });
  const serving = await startServing(services, settings, pino({ level: 'silent' }));
  const at = (path: string) => serving.url.slice(0, -1) + path;
  return {
    url: serving.url,
    services,
    settings,
    /** As a program does, with the token. */
    get: (path: string) => fetch(at(path), { headers: { authorization: `Bearer ${settings.secret}` } }),
    /** As a browser does, with nothing but what is given. */
    browse: (path: string, init: RequestInit = {}) =>
      fetch(at(path), { redirect: 'manual', ...init, headers: { accept: 'text/html', ...init.headers } }),
    async close() {
      await serving.close();
      await services.closers.close();
    },
  };
}

export type RunningWeb = Awaited<ReturnType<typeof startWeb>>;

/** The cookie of a new session. */
export async function signIn(web: RunningWeb): Promise<string> {
  const body = new URLSearchParams({ token: web.settings.secret });
  const response = await web.browse('/login', { method: 'POST', body });
  return response.headers.get('set-cookie')!.split(';')[0]!;
}

/** A run without a job behind it, for what only shows runs. @returns its number */
export async function seedRun(
  pool: pg.Pool,
  { job = 'seeded', state = 'running', params = {}, error = null as string | null } = {},
): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    `insert into drayage.runs (job, job_path, job_version, params, state, error, retries, started_at, finished_at)
     values ($1, 'jobs/' || $1 || '.ts', '1', $2, $3, $4, 3, now() - interval '10 s',
       case when $3 in ('succeeded', 'failed', 'completed_with_rejects') then now() end) returning id`,
    [job, JSON.stringify(params), state, error],
  );
  return rows[0]!.id;
}

/** Partitions of a run, all in one state. @returns their ids */
export async function seedPartitions(
  pool: pg.Pool,
  run: number,
  { count = 1, state = 'done', key = 'data/part', error = null as string | null, rows = 100 } = {},
): Promise<number[]> {
  const found = await pool.query<{ id: number }>(
    `with added as (
       insert into drayage.partitions (run_id, key, fingerprint, spec, file, rows_planned, bytes_planned)
       select $1, $2 || '-' || $3 || '-' || i, md5(random()::text), '{}', $2, $4, 1000 from generate_series(1, $5) i returning id
     ) select id from added order by id`,
    [run, key, state, rows, count],
  );
  const ids = found.rows.map(({ id }) => id);
  if (state !== 'pending') {
    await pool.query(
      `update drayage.partitions set state = $2::text, attempt = 1, started_at = now() - id % 7 * interval '1 s',
         finished_at = case when $2::text <> 'running' then now() end, error = $3::text, error_code = case when $3::text is not null then 'LOAD_REFUSED' end,
         rows_read = case when $2::text = 'done' then rows_planned else 0 end, rows_written = case when $2::text = 'done' then rows_planned else 0 end
       where id = any ($1)`,
      [ids, state, error],
    );
  }
  return ids;
}

/** What somebody may put anywhere to do harm on a page. */
export const HOSTILE = `"><script>window.hurt = 1</script><img src=x onerror="window.hurt=1">' onmouseover='window.hurt=1`;

/** A run with something of everything, all of it hostile, and with secrets wherever one may stand. */
export async function seedEverything(pool: pg.Pool): Promise<{ run: number; partition: number }> {
  const run = await seedRun(pool, {
    job: HOSTILE,
    state: 'running',
    error: HOSTILE,
    params: { path: HOSTILE, api_token: 'sesame-1', url: 'postgres://u:sesame-2@h/d' },
  });
  const [partition] = (await seedPartitions(pool, run, {
    state: 'failed',
    key: HOSTILE,
    error: `${HOSTILE} password=sesame-3`,
  })) as [number];
  await seedPartitions(pool, run, { state: 'done', count: 250 });
  await seedPartitions(pool, run, { state: 'running', count: 2 });
  await pool.query(`update drayage.partitions set rows_rejected = 3, warnings = $2 where id = $1`, [
    partition,
    JSON.stringify([{ row: 1, message: HOSTILE }]),
  ]);
  await pool.query(
    `insert into drayage.rejects (run_id, partition_id, table_name, row_number, column_name, reason, message, raw)
     select $1, $2, 't', i, $3, $3, $3, to_json($3::text) from generate_series(1, 3) i`,
    [run, partition, HOSTILE],
  );
  await pool.query(`insert into drayage.coercions values ($1, $2, $3, $3, $3, 1)`, [run, partition, HOSTILE]);
  await pool.query(`insert into drayage.events (run_id, actor, action, detail) values ($1, $2, $2, $3)`, [
    run,
    HOSTILE,
    JSON.stringify({ [HOSTILE]: HOSTILE }),
  ]);
  const difference = {
    table: HOSTILE,
    partition: HOSTILE,
    kind: 'different',
    key: { id: HOSTILE },
    fields: [{ column: HOSTILE, source: HOSTILE, target: null }],
  };
  const report = {
    checksum: { source: '1', target: '2' },
    partitions: [{ partition: HOSTILE, table: HOSTILE, missing: 1, different: 1, problem: HOSTILE }],
    differences: [difference],
    notes: [HOSTILE],
  };
  await pool.query(`insert into drayage.verifications (run_id, ok, method, report) values ($1, false, 'keys', $2)`, [
    run,
    JSON.stringify(report),
  ]);
  await pool.query(
    `insert into drayage.workers (id, host, pid, concurrency, memory) values (gen_random_uuid(), $1, 1, 2, 1e8)`,
    [HOSTILE],
  );
  await pool.query(
    `update drayage.partitions set worker_id = (select id from drayage.workers limit 1) where state = 'running'`,
  );
  return { run, partition };
}
