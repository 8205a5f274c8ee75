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
