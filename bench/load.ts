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
import { RULES_LEAVE, SCENARIOS, type Scenario } from './scenarios.ts';
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
const ALL = SCENARIOS.map((scenario) => ({ ...scenario, rows: Math.round(scenario.rows * Number(given.scale)) }));
const scenarios = ALL.filter(({ name, onlyByName }) => given.only?.includes(name) ?? !onlyByName);

const run = promisify(execFile);
const home = join(import.meta.dirname, '../.drayage');
const folder = join(home, 'bench');
await mkdir(folder, { recursive: true });
await writeProject(folder, ALL);

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

/** Makes the table and the file of a scenario anew. */
async function arrange(scenario: Scenario): Promise<void> {
  const { select, rows, rowGroupRows = 122_880, compression = 'zstd', table, needs = '', finish = '' } = scenario;
  const { parquet } = filesOf(scenario);
  if (!existsSync(parquet)) await makeRows(select, rows, rowGroupRows, compression, parquet, folder);
  const into = tableName(scenario);
  // The server would look at what one scenario has left behind while the next one is measured: analyzing rows of 1,600
  // columns takes a core for seconds, and only who needs both of them notices.
  const quiet = 'with (autovacuum_enabled = false, toast.autovacuum_enabled = false)';
  await pool.query(`drop table if exists ${into}; ${needs}; create table ${into} (${table}) ${quiet}; ${finish}`);
}

async function empty(scenario: Scenario): Promise<void> {
  if (!scenario.again) await pool.query(`truncate ${tableName(scenario)}`);
  if (scenario.before) await pool.query(scenario.before);
  await pool.query('checkpoint');
}

/** A scenario's roads, each with what it takes to begin from the same state. */
async function roadsOf(scenario: Scenario, worker: BenchWorker): Promise<Map<string, () => Promise<number>>> {
  const { rows, over, roads = [] } = scenario;
  const into = tableName(scenario);
  const { binary, csv } = filesOf(scenario);
  const load = async (one: Scenario) => {
    await empty(one);
    const took = await worker.load(jobName(one.name), { path: filesOf(one).parquet }, one.rows);
    const [run] = (await pool.query('select rows_rejected as rejected from drayage.runs order by id desc limit 1'))
      .rows;
    const { rejected = 0 } = one;
    // A smaller file holds fewer of them.
    if (given.scale === '1' && run.rejected !== rejected) throw new Error(`${run.rejected} rows were rejected`);
    return took;
  };
  const timed =
    (work: () => Promise<unknown>, count = rows) =>
    async () => {
      await empty(scenario);
      return (await seconds(work)) * (rows / count);
    };
  // The first load warms the process, and gives the files that the others load.
  const base = ALL.find(({ name }) => name === over);
  if (base) {
    await arrange(base);
    await load(base);
  }
  if (!scenario.again) await arrange(scenario);
  await load(scenario);
  if (!base) await psql(`\\copy ${into} to '${binary}' (format binary)`);
  if (roads.length > 0) await psql(`\\copy ${into} to '${csv}' (format csv)`);
  const found = new Map<string, () => Promise<number>>();
  if (base) found.set(base.name, () => load(base));
  else
    found.set(
      'floor',
      timed(() => psql(`\\copy ${into} from '${binary}' (format binary)`)),
    );
  found.set('drayage', () => load(scenario));
  if (roads.includes('csv'))
    found.set(
      'csv',
      timed(() => psql(`\\copy ${into} from '${csv}' (format csv)`)),
    );
  const [many, single] = [Math.min(rows, 100_000), Math.min(rows, 5_000)];
  if (roads.includes('insertMany'))
    found.set(
      'insertMany',
      timed(() => insertMany(pool, into, many), many),
    );
  if (roads.includes('insertSingly'))
    found.set(
      'insertSingly',
      timed(() => insertSingly(pool, into, single), single),
    );
  const pgloader = roads.includes('pgloader') ? await pgloaderRoad(url, into, csv) : undefined;
  if (pgloader) found.set('pgloader', timed(pgloader));
  return found;
}

const timings: Timings = {};
const memory: Record<string, number> = {};

for (const scenario of scenarios) {
  const worker = await BenchWorker.start(services, boss, config);
  const roads = await roadsOf(scenario, worker);
  const found: Record<string, number[]> = {};
  for (let round = 0; round < repeat; round++) {
    for (const [road, measure] of roads) {
      found[road] ??= [];
      found[road].push(await measure());
      process.stderr.write('.');
    }
  }
  timings[scenario.name] = found;
  memory[scenario.name] = worker.peakRssMb;
  await worker.stop();
}
process.stderr.write('\n');
await writeFile(join(folder, 'load.json'), JSON.stringify({ repeat, timings, memory }, null, 2));
printReport(scenarios, timings, memory);
for (const scenario of ALL) await pool.query(`drop table if exists ${tableName(scenario)}`);
await pool.query(RULES_LEAVE);
await services.closers.close();
await pool.end();
await embedded?.leave();
