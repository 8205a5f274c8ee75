import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../src/base/config.ts';
import { Duck } from '../../src/duckdb/instance.ts';
import { resolveParams } from '../../src/model/params.ts';
import { joinEmbedded } from '../../src/postgres/embedded.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { enqueue } from '../../src/runs/enqueue.ts';
import { loadJob } from '../../src/runs/load-jobs.ts';
import { prepareJob } from '../../src/runs/prepare.ts';
import { ensureSchema, openQueue, openServices } from '../../src/runs/services.ts';
import { Spool } from '../../src/store/spool.ts';
import { BenchWorker } from '../worker.ts';

const root = join(import.meta.dirname, '../..');
/** Where what is measured lies: files, jobs that are no part of the project, and a database. */
const folder = join(root, '.drayage/bench-sources');

/** A database with a queue, and workers on it. */
export type Setting = Awaited<ReturnType<typeof openSetting>>;

/** @param project whose jobs are run: those of the repository, or those that `writeJob` has written */
export async function openSetting(project: 'repository' | 'bench') {
  await mkdir(join(folder, 'jobs'), { recursive: true });
  const embedded = process.env.DATABASE_URL ? undefined : await joinEmbedded(folder);
  const url = process.env.DATABASE_URL ?? embedded!.url;
  const pool = createPool(url, { max: 1, applicationName: 'dray bench' });
  // Runs that were cut short would be taken up again, and measured with the others.
  if (embedded) await pool.query('drop schema if exists drayage, pgboss cascade');
  const config = readConfig({ ...process.env, DATABASE_URL: url }, project === 'bench' ? folder : root);
  const services = await openServices(config);
  await ensureSchema(services);
  const boss = await openQueue(services, { supervise: false });
  return {
    url,
    pool,
    services,
    startWorker: () => BenchWorker.start(services, boss, config),
    /** For several workers. @returns seconds from the start of planning to the commit of the last partition */
    async loadWithAll(job: string, params: Record<string, string>): Promise<number> {
      const startedMs = performance.timeOrigin + performance.now();
      const loaded = await loadJob(config.root, job);
      const prepared = prepareJob(loaded, resolveParams(loaded.job, params, {}));
      const enqueued = { force: true, signal: new AbortController().signal };
      const { run } = await enqueue(services, boss, prepared, enqueued);
      for (;;) {
        const { rows } = await pool.query('select state from drayage.runs where id = $1', [run]);
        if (rows[0].state === 'succeeded') break;
        if (/^(failed|completed)/.test(rows[0].state)) throw new Error(`the run of ${job} is ${rows[0].state}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const { rows } = await pool.query(
        'select extract(epoch from max(finished_at))::float8 * 1000 as ms from drayage.partitions where run_id = $1',
        [run],
      );
      return (rows[0].ms - startedMs) / 1000;
    },
    async close() {
      await services.closers.close();
      await pool.end();
      await embedded?.leave();
    },
  };
}

/** A job of the project `bench`. @param source as it stands in a job file @param target name of the table */
export async function writeJob(name: string, source: string, target: string): Promise<void> {
  await mkdir(join(folder, 'jobs'), { recursive: true });
  await writeFile(
    join(folder, `jobs/${name}.ts`),
    `import { defineJob, files, table } from 'drayage';
export default defineJob({
  name: '${name}', description: 'Benchmark', params: { path: { type: 'string' } },
  source: ({ path }) => ${source}, targets: { ${target}: table() },
});
`,
  );
}

export const inFolder = (name: string): string => join(folder, name);
export const sample = (name: string): string => join(root, 'jobs/samples', name);

/** What a source may use that is read in this process, without a database. */
export async function openContext() {
  await mkdir(folder, { recursive: true });
  const duck = new Duck({ memoryMb: 512, threads: 2, spillDirectory: inFolder('spill') });
  const disk = await Spool.open(inFolder('spool'), 1e10);
  const databaseUrl = () => '';
  return {
    ...{ duck, root: folder, spool: disk.folder, disk, databaseUrl, signal: new AbortController().signal },
    async close() {
      await disk.close();
      await duck.close();
    },
  };
}
