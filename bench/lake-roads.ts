import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { quoteLiteral } from '../src/duckdb/types.ts';
import { type BenchTable, LEFT_ALONE, makeTable, orders, sumOf, wide } from './lake-tables.ts';
import type { BenchWorker } from './worker.ts';

/** One way to get there. */
export interface Road {
  name: string;
  /** @returns seconds */
  take(): Promise<number>;
  /** Of a process other than the worker. */
  peakMb?: () => number;
}

interface Place {
  pool: pg.Pool;
  url: string;
  folder: string;
  worker: BenchWorker;
  /** Of the rows. */
  scale: number;
}

export interface Measure {
  name: string;
  /** Of the first road over the second one. */
  bound?: number;
  tables: readonly string[];
  /** The first road is Drayage's; `proof` holds what came back against what went out. */
  setUp(place: Place): Promise<{ roads: readonly [Road, Road]; proof?: () => Promise<string> }>;
}

const run = promisify(execFile);
const ROWS = 2_000_000;
const WIDE_ROWS = 10_000;
/** As many threads as a worker has for its partitions, and more memory than it has: with 1,600 columns, a file for each date takes gigabytes. */
const ALONE = { memoryMb: 12_000, threads: 2 };

const JOBS: Readonly<Record<string, string>> = {
  'bench-out': `source: () => postgres({ table: 'bench_out' }), targets: { bench_out: lake({ root: ({ path }) => path }) }`,
  'bench-back': `source: ({ path }) => lakeFiles({ root: path, dataset: 'bench_out' }), targets: { bench_back: table({}) }`,
  'bench-csv': `source: ({ path }) => files(path, { columns: ${JSON.stringify(orders(0).csv)} }),
  targets: { bench_csv: lake({ root: 'from-csv' }) }`,
  'bench-wide': `source: () => postgres({ table: 'bench_wide' }), targets: { bench_wide: lake({ root: ({ path }) => path }) }`,
  'bench-wide-days': `source: () => postgres({ table: 'bench_wide' }),
  targets: { bench_wide: lake({ root: ({ path }) => path, date: 'day' }) }`,
  'bench-wide-back': `source: ({ path }) => lakeFiles({ root: path, dataset: 'bench_wide' }), targets: { bench_wide_back: table({}) }`,
};

/** A project with a job for each measure, as a user would write it. */
export async function writeJobs(folder: string): Promise<void> {
  for (const [name, rest] of Object.entries(JOBS)) {
    await writeFile(
      join(folder, `jobs/${name}.ts`),
      `import { defineJob, files, lake, lakeFiles, postgres, table } from 'drayage';
export default defineJob({ name: '${name}', description: 'Benchmark', params: { path: { type: 'string' } }, ${rest} });
`,
    );
  }
}

const psql = ({ url }: Place, command: string) => run('psql', [url, '-qXc', command]);

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

/** Plain DuckDB in a process of its own, whose start is not counted. */
function alone({ folder }: Place) {
  let peakMb = 0;
  return {
    peakMb: () => peakMb,
    async run(sql: string): Promise<number> {
      const settings = [String(ALONE.memoryMb), String(ALONE.threads), join(folder, 'spill')];
      const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'lake-alone.ts'), sql, ...settings]);
      const told = JSON.parse(stdout) as { seconds: number; peakMb: number };
      peakMb = Math.max(peakMb, told.peakMb);
      return told.seconds;
    },
  };
}

function csvScan({ csv }: BenchTable, path: string): string {
  const columns = Object.entries(csv).map(([name, type]) => `'${name}': '${type}'`);
  return `read_csv(${quoteLiteral(path)}, header = false, auto_detect = false, delim = ',', quote = '"', columns = {${columns.join(', ')}})`;
}

/** A lake of its own for each load, the last of which stays. */
function intoLake({ folder, worker }: Place, job: string, rows: number) {
  let lake: string | undefined;
  return {
    last: () => lake!,
    async take(): Promise<number> {
      if (lake) await rm(lake, { recursive: true, force: true });
      lake = join(folder, `lake-${job}-${performance.now()}`);
      return worker.load(job, { path: lake }, rows);
    },
  };
}

/** Out of Postgres into a lake, over CSV and plain DuckDB. @param more options of its `COPY` */
async function out(place: Place, job: string, table: BenchTable, more = '') {
  await makeTable(place.pool, table);
  const lake = intoLake(place, job, table.rows);
  const [csv, made] = [join(place.folder, 'rows.csv'), join(place.folder, 'by-csv.parquet')];
  const duck = alone(place);
  const byCsv = async () => {
    await rm(made, { recursive: true, force: true });
    const first = await secondsOf(() => psql(place, `\\copy ${table.name} to '${csv}' (format csv)`));
    return first + (await duck.run(`copy (from ${csvScan(table, csv)}) to '${made}' (format parquet${more})`));
  };
  const roads = [
    { name: 'drayage', take: () => lake.take() },
    { name: 'psql to CSV, plain DuckDB', take: byCsv, peakMb: duck.peakMb },
  ] as const;
  return { roads };
}

/** Out of a lake into a table without a key. @param over how the other road gets there */
async function back(place: Place, jobs: { out: string; back: string }, table: BenchTable, over: 'floor' | 'duckdb') {
  const { pool, worker, folder } = place;
  await makeTable(pool, table);
  const lake = intoLake(place, jobs.out, table.rows);
  await lake.take();
  const into = table.name.replace('out', 'back').replace('wide', 'wide_back');
  await pool.query(`drop table if exists ${into}; create table ${into} (like ${table.name}) with (${LEFT_ALONE})`);
  const empty = async () => {
    await pool.query(`truncate ${into}`);
    await pool.query('checkpoint');
  };
  const take = async () => {
    await empty();
    return worker.load(jobs.back, { path: lake.last() }, table.rows);
  };
  const duck = alone(place);
  const file = join(folder, over === 'floor' ? 'rows.bin' : 'rows.csv');
  const format = over === 'floor' ? 'binary' : 'csv';
  await psql(place, `\\copy ${table.name} to '${file}' (format ${format})`);
  const other = async () => {
    await empty();
    const copy = () => psql(place, `\\copy ${into} from '${file}' (format ${format})`);
    if (over === 'floor') return secondsOf(copy);
    const unpack = `copy (from read_parquet('${lake.last()}/**/*.parquet', hive_partitioning = false)) to '${file}' (format csv, header false)`;
    return (await duck.run(unpack)) + (await secondsOf(copy));
  };
  const proof = async () => {
    await take();
    const [gone, come] = [await sumOf(pool, table.name), await sumOf(pool, into)];
    return gone === come ? `the same: ${come}` : `MISSED: ${gone} went out, ${come} came back`;
  };
  const name = over === 'floor' ? 'psql of a ready binary file' : 'plain DuckDB to CSV, psql';
  const roads = [
    { name: 'drayage', take },
    { name, take: other, ...(over === 'floor' ? {} : { peakMb: duck.peakMb }) },
  ] as const;
  return { roads, proof };
}

/** CSV into a lake, over the same by plain DuckDB. */
async function csv(place: Place) {
  const table = orders(Math.round(ROWS * place.scale));
  await makeTable(place.pool, table);
  const folder = join(place.folder, 'csv');
  await mkdir(folder, { recursive: true });
  // Two files, so that a worker has as many partitions as it takes at a time.
  for (const half of [0, 1]) {
    const rows = `select * from ${table.name} where id % 2 = ${half}`;
    await psql(place, `\\copy (${rows}) to '${folder}/${half}.csv' (format csv, header)`);
  }
  const duck = alone(place);
  const scan = csvScan(table, `${folder}/*.csv`).replace('header = false', 'header = true');
  const plain = `copy (from ${scan}) to '${place.folder}/by-csv.parquet' (format parquet)`;
  const lake = join(place.folder, 'from-csv');
  const take = async () => {
    await rm(lake, { recursive: true, force: true });
    return place.worker.load('bench-csv', { path: folder }, table.rows);
  };
  const roads = [
    { name: 'drayage', take },
    { name: 'plain DuckDB', take: () => duck.run(plain), peakMb: duck.peakMb },
  ] as const;
  return { roads };
}

const wideOf = ({ scale }: Place) => wide(Math.round(WIDE_ROWS * scale));
const ordersOf = ({ scale }: Place) => orders(Math.round(ROWS * scale));

export const MEASURES: readonly Measure[] = [
  { name: 'out', bound: 0.9, tables: ['bench_out'], setUp: (place) => out(place, 'bench-out', ordersOf(place)) },
  {
    name: 'back',
    bound: 1.15,
    tables: ['bench_out', 'bench_back'],
    setUp: (place) => back(place, { out: 'bench-out', back: 'bench-back' }, ordersOf(place), 'floor'),
  },
  { name: 'csv', bound: 1.2, tables: ['bench_out'], setUp: csv },
  { name: 'wide', tables: ['bench_wide'], setUp: (place) => out(place, 'bench-wide', wideOf(place)) },
  {
    name: 'wide-days',
    tables: ['bench_wide'],
    setUp: (place) =>
      out(place, 'bench-wide-days', wideOf(place), ', partition_by (day), write_partition_columns true'),
  },
  {
    name: 'wide-back',
    tables: ['bench_wide', 'bench_wide_back'],
    setUp: (place) => back(place, { out: 'bench-wide', back: 'bench-wide-back' }, wideOf(place), 'duckdb'),
  },
];
