import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { readConfig } from '../src/base/config.ts';
import { Duck } from '../src/duckdb/instance.ts';
import { rows as query } from '../src/duckdb/scan.ts';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { median } from './report.ts';
import { BenchWorker } from './worker.ts';

/** A table of Postgres into Parquet, by a job into a lake, beside `psql \copy` to CSV and DuckDB from CSV to Parquet. */
const { values: given } = parseArgs({
  options: { repeat: { type: 'string', default: '3' }, rows: { type: 'string', default: '2000000' } },
});
const rows = Number(given.rows);
const BOUND = 0.9;

const home = join(import.meta.dirname, '../.drayage');
const folder = join(home, 'bench-out');
await mkdir(join(folder, 'jobs'), { recursive: true });
const path = (name: string) => join(folder, name);
await writeFile(
  path('jobs/bench-out.ts'),
  `import { defineJob, lake, postgres } from 'drayage';
export default defineJob({
  name: 'bench-out', description: 'Benchmark', params: { path: { type: 'string' } },
  source: () => postgres({ table: 'bench_out' }), targets: { bench_out: lake({ root: ({ path }) => path }) },
});
`,
);
const embedded = process.env.DATABASE_URL ? undefined : await joinEmbedded(home);
const url = process.env.DATABASE_URL ?? embedded!.url;
const pool = createPool(url, { max: 1, applicationName: 'dray bench' });
const config = readConfig({ ...process.env, DATABASE_URL: url }, folder);
const services = await openServices(config);
await ensureSchema(services);
const boss = await openQueue(services, { supervise: false });

await pool.query(`drop table if exists bench_out`);
await pool.query(`create table bench_out as select i::bigint as id, (hashint8(i) & 1023)::int as quantity,
  (hashint8(i + 1) & 65535)::int as product, ((hashint8(i + 2) & 16777215) / 100.0)::numeric(15,2) as price,
  (hashint8(i + 3) & 1048575) / 997.0::float8 as weight, 'customer ' || (hashint8(i) & 524287) as customer,
  'order ' || i || ' was taken by telephone and confirmed' as note, date '2015-01-01' + (hashint8(i) & 4095) as day,
  timestamp '2015-01-01' + make_interval(secs => (hashint8(i) & 134217727) + 0.123) as at,
  hashint8(i) & 3 > 0 as paid, md5(i::text)::uuid as token from generate_series(1, ${rows}) i`);
await pool.query('alter table bench_out add primary key (id)');
await pool.query('vacuum analyze bench_out');

const CSV = `{ 'id': 'BIGINT', 'quantity': 'INTEGER', 'product': 'INTEGER', 'price': 'DECIMAL(15,2)', 'weight': 'DOUBLE',
  'customer': 'VARCHAR', 'note': 'VARCHAR', 'day': 'DATE', 'at': 'TIMESTAMP', 'paid': 'BOOLEAN', 'token': 'UUID' }`;
const seconds = async (work: () => Promise<unknown>) => {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
};
const byCsv = async () => {
  await promisify(execFile)('psql', [url, '-qXc', `\\copy bench_out to '${path('rows.csv')}' (format csv)`]);
  const duck = new Duck({ memoryMb: 1024, threads: 2, spillDirectory: path('spill') });
  const scan = `read_csv('${path('rows.csv')}', header = false, columns = ${CSV})`;
  await duck.use((connection) =>
    query(connection, `copy (from ${scan}) to '${path('rows.parquet')}' (format parquet)`),
  );
  await duck.close();
};

const worker = await BenchWorker.start(services, boss, config);
const found: Record<'csv' | 'drayage', number[]> = { csv: [], drayage: [] };
for (let round = 0; round <= Number(given.repeat); round++) {
  const csv = await seconds(byCsv);
  const lake = path(`lake-${round}`);
  await rm(lake, { recursive: true, force: true });
  const drayage = await worker.load('bench-out', { path: lake }, rows);
  await rm(lake, { recursive: true, force: true });
  // The first round warms everything.
  if (round === 0) continue;
  found.csv.push(csv);
  found.drayage.push(drayage);
}
await worker.stop();
const [csv, drayage] = [median(found.csv), median(found.drayage)];
const ratio = drayage / csv;
process.stdout.write(
  `Postgres to Parquet, ${rows} rows: ${drayage.toFixed(2)} s, by CSV ${csv.toFixed(2)} s, ratio ${ratio.toFixed(2)} (bound ${BOUND})${ratio <= BOUND ? '' : ' MISSED'}; peak ${worker.peakRssMb} MB\n`,
);
await pool.query('drop table bench_out');
await services.closers.close();
await pool.end();
await embedded?.leave();
