import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { readConfig } from '../src/base/config.ts';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { insertMany, insertSingly } from './inserts.ts';
import { pgloaderRoad } from './pgloader.ts';
import { jobName, tableName, writeProject } from './project.ts';
import { printReport, type Timings } from './report.ts';
import { makeRows } from './rows.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { BenchWorker } from './worker.ts';

/**
 * Drayage beside the floor (`psql \copy` of a ready-made binary file) and beside what others do, in one run,
 * interleaved, on the same server: scenario by scenario, so that each has a worker of its own.
 */
const { values: given } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    repeat: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
  },
});
const repeat = Number(given.repeat);
const scenarios = SCENARIOS.filter(({ name }) => !given.only || given.only.includes(name)).map((scenario) => ({
  ...scenario,
  rows: Math.round(scenario.rows * Number(given.scale)),
}));

const run = promisify(execFile);
const home = join(import.meta.dirname, '../.drayage');
const folder = join(home, 'bench');
await mkdir(folder, { recursive: true });
await writeProject(folder, SCENARIOS);

const embedded = process.env.DATABASE_URL ? undefined : await joinEmbedded(home);
const url = process.env.DATABASE_URL ?? embedded!.url;
const pool = createPool(url, { max: 1, applicationName: 'dray bench' });
const psql = (command: string) => run('psql', [url, '-qXc', command]);
await psql('select').catch(() => {
  throw new Error('The benchmark needs psql, of the Debian package postgresql-client for example.');
});
const config = readConfig({ ...process.env, DATABASE_URL: url }, folder);
const services = await openServices(config);
await ensureSchema(services);
const boss = await openQueue(services, { supervise: false });

const seconds = async (work: () => Promise<unknown>) => {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
};

/** The files of a scenario: the Parquet file that Drayage reads, and what `psql` gets ready-made. */
function filesOf({ name, file = name, rows }: Scenario) {
  const path = (extension: string) => join(folder, `${file}-${rows}.${extension}`);
  return { parquet: path('parquet'), binary: path('bin'), csv: path('csv') };
}

const timings: Timings = {};
const memory: Record<string, number> = {};

for (const scenario of scenarios) {
  const { name, select, rows, table, over, roads = [], before, keep, rowGroupRows = 122_880 } = scenario;
  const into = tableName(name);
  const { parquet, binary, csv } = filesOf(scenario);
  if (!existsSync(parquet)) await makeRows(select, rows, rowGroupRows, parquet, folder);
  if (!keep) await pool.query(`drop table if exists ${into}; create table ${into} (${table})`);
  const worker = await BenchWorker.start(services, boss, config);
  const empty = async () => {
    if (!keep) await pool.query(`truncate ${into}`);
    if (before) await pool.query(before);
    await pool.query('checkpoint');
  };
  // The first load warms the process, and gives the files that the others load.
  await empty();
  await worker.load(jobName(name), parquet, rows);
  if (over === 'floor') await psql(`\\copy ${into} to '${binary}' (format binary)`);
  if (roads.length > 0) await psql(`\\copy ${into} to '${csv}' (format csv)`);
  const sample = (work: () => Promise<void>, count: number) => async () => (await seconds(work)) * (rows / count);
  const [many, single] = [Math.min(rows, 100_000), Math.min(rows, 5_000)];
  const measures: Record<string, () => Promise<number>> = {
    ...(over === 'floor'
      ? { floor: () => seconds(() => psql(`\\copy ${into} from '${binary}' (format binary)`)) }
      : {}),
    drayage: () => worker.load(jobName(name), parquet, rows),
  };
  if (roads.includes('csv')) measures.csv = () => seconds(() => psql(`\\copy ${into} from '${csv}' (format csv)`));
  if (roads.includes('insertMany')) measures.insertMany = sample(() => insertMany(pool, into, many), many);
  if (roads.includes('insertSingly')) measures.insertSingly = sample(() => insertSingly(pool, into, single), single);
  const pgloader = roads.includes('pgloader') ? await pgloaderRoad(url, into, csv) : undefined;
  if (pgloader) measures.pgloader = () => seconds(pgloader);
  const found = Object.fromEntries(Object.keys(measures).map((road) => [road, [] as number[]]));
  for (let round = 0; round < repeat; round++) {
    for (const [road, measure] of Object.entries(measures)) {
      await empty();
      found[road]!.push(await measure());
      process.stderr.write('.');
    }
  }
  timings[name] = found;
  memory[name] = worker.peakRssMb;
  await worker.stop();
}
process.stderr.write('\n');
await writeFile(join(folder, 'load.json'), JSON.stringify({ repeat, timings, memory }, null, 2));
printReport(scenarios, timings, memory);
for (const { name } of scenarios) await pool.query(`drop table if exists ${tableName(name)}`);
await services.closers.close();
await pool.end();
await embedded?.leave();
