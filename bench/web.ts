import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../src/base/config.ts';
import { createLog } from '../src/base/log.ts';
import { ensureSchema, openServices, type Services } from '../src/runs/services.ts';
import { startServing } from '../src/web/serve.ts';
import { readSettings } from '../src/web/settings.ts';

/**
 * How long pages take for a run of 1,000,000 partitions, of which the median must be below the bound: as workers leave it,
 * and after a vacuum. Usage: node bench/web.ts
 */
const PARTITIONS = 1_000_000;
const ROUNDS = 5;
const BOUND_MS = 1_000;

async function seed({ pool }: Services): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    `insert into drayage.runs (job, job_path, job_version, params, retries, state, started_at)
     values ('many', 'jobs/many.ts', '1', '{}', 3, 'running', now() - interval '1 h') returning id`,
  );
  const run = rows[0]!.id;
  await pool.query(
    `insert into drayage.partitions (run_id, key, fingerprint, spec, file, rows_planned, bytes_planned)
     select $1, 'data/part-' || i || '.parquet#rows=1-122880', md5(i::text), jsonb_build_object('etag', md5(i::text)),
       'data/part-' || i || '.parquet', 122880, 1000000 from generate_series(1, $2::int) i`,
    [run, PARTITIONS],
  );
  // As workers leave it: rows that were moved, and pages that no vacuum has seen.
  await pool.query(
    `update drayage.partitions set state = case when id % 1000 = 5 then 'failed' else 'done' end, attempt = 1, rows_read = 122880,
       rows_written = 122880, started_at = now() - interval '1 h' + id * interval '3 ms',
       finished_at = now() - interval '1 h' + id * interval '3 ms' + random() * interval '1 s'
     where run_id = $1 and id % 10 < 7`,
    [run],
  );
  return run;
}

async function time(address: string): Promise<number> {
  const startedMs = performance.now();
  const response = await fetch(address);
  await response.text();
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return performance.now() - startedMs;
}

const home = await mkdtemp(join(tmpdir(), 'drayage-bench-web-'));
await chmod(home, 0o755);
const config = readConfig({ DRAYAGE_HOME: home }, process.cwd());
const services = await openServices(config, { loads: 6 });
try {
  await ensureSchema(services);
  const run = await seed(services);
  const { url, close } = await startServing(services, readSettings({ ...config.web, port: 0 }), createLog('error'));
  const pages = {
    runs: '',
    run: `runs/${run}`,
    'partitions, failed': `runs/${run}/partitions?state=failed`,
    'partitions, found': `runs/${run}/partitions?q=part-999999`,
    'partitions, from the middle': `runs/${run}/partitions?after=500000`,
  };
  let late = 0;
  for (const vacuumed of [false, true]) {
    if (vacuumed) await services.pool.query('vacuum analyze drayage.partitions');
    for (const [page, path] of Object.entries(pages)) {
      const times: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        // Something has changed: nothing that was kept will do.
        await services.pool.query('update drayage.runs set rows_rejected = rows_rejected + 1 where id = $1', [run]);
        times.push(await time(url + path));
        // What would have to look at all partitions is asked for again in a rhythm that spares the database (src/web/memo.ts).
        if (page === 'run') await new Promise((resolve) => setTimeout(resolve, Math.max(750, 10 * times.at(-1)!)));
      }
      const medianMs = times.toSorted((a, b) => a - b)[ROUNDS >> 1]!;
      if (medianMs > BOUND_MS) late++;
      console.log(
        `${vacuumed ? 'vacuumed' : 'as loaded'}  ${page.padEnd(28)} first ${Math.round(times[0]!)} ms, median ${Math.round(medianMs)} ms`,
      );
    }
  }
  console.log(late > 0 ? `${late} pages are over ${BOUND_MS} ms` : `all pages are below ${BOUND_MS} ms`);
  if (late > 0) process.exitCode = 1;
  await close();
} finally {
  await services.closers.close();
  await rm(home, { recursive: true, force: true });
}
