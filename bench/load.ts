import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { readConfig } from '../src/base/config.ts';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { enqueue } from '../src/runs/enqueue.ts';
import { loadJob } from '../src/runs/load-jobs.ts';
import { prepareJob } from '../src/runs/prepare.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { insertMany, insertSingly } from './inserts.ts';
import type { LoadAnswer } from './loader.ts';
import { median, printTable } from './report.ts';
import { makeRows } from './rows.ts';

/**
 * Drayage beside the floor (`psql \copy` of a ready-made binary file) and beside what people do by hand, in one run,
 * interleaved, on the same server.
 */
const { values: given } = parseArgs({
  options: { rows: { type: 'string', default: '2000000' }, repeat: { type: 'string', default: '5' } },
});
const [rows, repeat] = [Number(given.rows), Number(given.repeat)];
/** Inserting goes by samples, scaled to all rows. */
const MANY_SAMPLE = Math.min(rows, 100_000);
const SINGLE_SAMPLE = Math.min(rows, 5_000);

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const home = join(root, '.drayage');
const folder = join(home, 'bench');
const parquet = join(folder, `rows-${rows}.parquet`);
const binary = join(folder, `rows-${rows}.bin`);
const csv = join(folder, `rows-${rows}.csv`);

await mkdir(folder, { recursive: true });
const embedded = process.env.DATABASE_URL ? undefined : await joinEmbedded(home);
const url = process.env.DATABASE_URL ?? embedded!.url;
const pool = createPool(url, { max: 1, applicationName: 'dray bench' });
const psql = (command: string) => run('psql', [url, '-qXc', command]);
await run('psql', ['--version']).catch(() => {
  throw new Error('The benchmark needs psql, of the Debian package postgresql-client for example.');
});

if (!existsSync(parquet)) await makeRows(rows, parquet, folder);
const config = readConfig({ ...process.env, DATABASE_URL: url }, import.meta.dirname);
const services = await openServices(config);
await ensureSchema(services);
const boss = await openQueue(services, { supervise: false });
// A worker as it is deployed: a process of its own, warm, with the environment of the Procfile.
const loader = fork(join(import.meta.dirname, 'loader.ts'), {
  env: { ...process.env, DATABASE_URL: url, MALLOC_ARENA_MAX: '2' },
});
await once(loader, 'message');

let peakRssMb = 0;

/** @returns seconds from the start of planning to the commit of the last partition */
async function drayage(table: string): Promise<number> {
  const startedMs = performance.timeOrigin + performance.now();
  const ended = once(loader, 'message');
  const prepared = prepareJob(await loadJob(config.root, table.replace('_', '-')), { path: parquet });
  await enqueue(services, boss, prepared, { force: true, signal: new AbortController().signal });
  const [answer] = (await ended) as [LoadAnswer];
  if (answer.rows !== rows) throw new Error(`${answer.rows} of ${rows} rows were loaded`);
  peakRssMb = Math.max(peakRssMb, answer.peakRssMb);
  return (answer.committedMs - startedMs) / 1000;
}

const seconds: Record<string, Record<string, number[]>> = {};

async function measure(table: string, road: string, work: () => Promise<number | undefined>): Promise<void> {
  await pool.query(`truncate ${table}`);
  await pool.query('checkpoint');
  const startedMs = performance.now();
  const told = await work();
  const taken = told ?? (performance.now() - startedMs) / 1000;
  const ofTable = seconds[table] ?? {};
  ofTable[road] = [...(ofTable[road] ?? []), taken];
  seconds[table] = ofTable;
  process.stderr.write('.');
}

const scaled = async (sample: number, work: () => Promise<void>) => {
  const startedMs = performance.now();
  await work();
  return ((performance.now() - startedMs) / 1000) * (rows / sample);
};

const TABLES = ['bench_heap', 'bench_keyed'];
for (const table of TABLES) {
  // The first load makes the table, warms the process, and gives the files that the others load.
  await pool.query(`drop table if exists ${table}`);
  await drayage(table);
  if (table !== 'bench_heap') continue;
  await psql(`\\copy ${table} to '${binary}' (format binary)`);
  await psql(`\\copy ${table} to '${csv}' (format csv)`);
}
for (let round = 0; round < repeat; round++) {
  for (const table of TABLES) {
    await measure(table, 'floor', async () => void (await psql(`\\copy ${table} from '${binary}' (format binary)`)));
    await measure(table, 'drayage', () => drayage(table));
    await measure(table, 'csv', async () => void (await psql(`\\copy ${table} from '${csv}' (format csv)`)));
    await measure(table, 'insertMany', () => scaled(MANY_SAMPLE, () => insertMany(pool, table, MANY_SAMPLE)));
    await measure(table, 'insertSingly', () => scaled(SINGLE_SAMPLE, () => insertSingly(pool, table, SINGLE_SAMPLE)));
  }
}
process.stderr.write('\n');
loader.disconnect();
await once(loader, 'exit');
await services.closers.close();

const ROADS = {
  floor: 'psql \\copy of a ready-made binary file (the floor)',
  drayage: 'Drayage, from planning to the last commit',
  csv: 'psql \\copy of a CSV file',
  insertMany: `INSERT of 500 rows a statement (a sample of ${MANY_SAMPLE}, scaled)`,
  insertSingly: `INSERT row by row (a sample of ${SINGLE_SAMPLE}, scaled)`,
};
const results = TABLES.flatMap((table) =>
  Object.entries(ROADS).map(([road, name]) => {
    const times = seconds[table]![road]!;
    // Round by round, so that a slow minute of the machine weighs on both sides.
    const ratios = times.map((time, round) => time / seconds[table]!.floor![round]!);
    return { table, road, name, seconds: median(times), ratio: median(ratios), times };
  }),
);
const summary = { rows, repeat, peak_rss_mb: Math.round(peakRssMb), results };
await writeFile(join(folder, 'load.json'), JSON.stringify(summary, null, 2));
printTable(results, peakRssMb, rows);
await pool.query(`drop table ${TABLES.join(', ')}`);
await pool.end();
await embedded?.leave();
