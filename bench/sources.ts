import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startFauxqs } from 'fauxqs';
import { readConfig } from '../src/base/config.ts';
import { Duck } from '../src/duckdb/instance.ts';
import { rows as query } from '../src/duckdb/scan.ts';
import { joinEmbedded } from '../src/postgres/embedded.ts';
import { createPool } from '../src/postgres/pool.ts';
import { ensureSchema, openQueue, openServices } from '../src/runs/services.ts';
import { files } from '../src/sources/files.ts';
import { s3Store } from '../src/store/s3.ts';
import { Spool } from '../src/store/spool.ts';
import { median } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { BenchWorker } from './worker.ts';

/** What sources cost: JSON Lines beside `psql \copy` of the same rows as CSV, bytes fetched from S3, a long listing. */
const ROWS = 500_000;
const ROUNDS = 3;
const KEYS = 1_000_000;

const home = join(import.meta.dirname, '../.drayage');
const folder = join(home, 'bench-sources');
await mkdir(folder, { recursive: true });
Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench', AWS_REGION: 'eu-west-2' });
const heap = SCENARIOS.find(({ name }) => name === 'heap')!;
const TYPES = `{ id: 'BIGINT', quantity: 'INTEGER', product: 'INTEGER', price: 'DECIMAL(15,2)', weight: 'DOUBLE',
  customer: 'VARCHAR', note: 'VARCHAR', day: 'DATE', at: 'TIMESTAMP', paid: 'BOOLEAN', token: 'UUID' }`;
const path = (name: string) => join(folder, name);
const duck = new Duck({ memoryMb: 512, threads: 2, spillDirectory: path('spill') });
const made = `select ${heap.select} from range(${ROWS}) t(i)`;
await duck.use(async (connection) => {
  await query(connection, `copy (${made}) to '${path('orders.jsonl')}' (format json)`);
  await query(connection, `copy (${made}) to '${path('orders.csv')}' (format csv, header false)`);
  await query(connection, `copy (${made}) to '${path('orders.parquet')}' (format parquet, row_group_size 50000)`);
});

await lines();
await parquetBytes();
await listing();
await duck.close();

async function lines(): Promise<void> {
  await mkdir(path('jobs'), { recursive: true });
  await writeFile(
    path('jobs/bench-lines.ts'),
    `import { defineJob, files, table } from 'drayage';
export default defineJob({
  name: 'bench-lines', description: 'Benchmark', params: { path: { type: 'string' } },
  source: ({ path }) => files(path, { columns: ${TYPES} }), targets: { bench_lines: table() },
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
  const worker = await BenchWorker.start(services, boss, config);
  await pool.query(`drop table if exists bench_lines; create table bench_lines (${heap.table})`);
  const psql = async () => {
    const startedMs = performance.now();
    await promisify(execFile)('psql', [url, '-qXc', `\\copy bench_lines from '${path('orders.csv')}' (format csv)`]);
    return (performance.now() - startedMs) / 1000;
  };
  const times = { psql: [] as number[], drayage: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const road of ['psql', 'drayage'] as const) {
      await pool.query('truncate bench_lines');
      await pool.query('checkpoint');
      const seconds = road === 'psql' ? await psql() : await worker.load('bench-lines', path('orders.jsonl'), ROWS);
      // The first round warms up.
      if (round > 0) times[road].push(seconds);
    }
  }
  const [csv, jsonl] = [median(times.psql), median(times.drayage)];
  console.log(
    `JSON Lines: ${Math.round(ROWS / jsonl)} rows/s (${jsonl.toFixed(2)} s, ${Math.round(worker.peakRssMb)} MB)`,
  );
  console.log(
    `psql \\copy of CSV: ${Math.round(ROWS / csv)} rows/s (${csv.toFixed(2)} s); ratio ${(csv / jsonl).toFixed(2)}`,
  );
  await worker.stop();
  await pool.query('drop table bench_lines');
  await services.closers.close();
  await pool.end();
  await embedded?.leave();
}

async function parquetBytes(): Promise<void> {
  const server = await startFauxqs({ port: 0, logger: false });
  server.createBucket('bench');
  let fetched = 0;
  const proxied = s3Store({ endpoint: `http://127.0.0.1:${server.port}` });
  await proxied.upload({ bucket: 'bench', key: 'orders.parquet' }, createReadStream(path('orders.parquet')));
  const get = proxied.get.bind(proxied);
  proxied.get = async function* (...asked) {
    for await (const piece of get(...asked)) {
      fetched += piece.length;
      yield piece;
    }
  };
  const disk = await Spool.open(path('spool'), 1e10);
  const databaseUrl = () => '';
  const context = { duck, root: folder, spool: disk.folder, disk, databaseUrl, signal: new AbortController().signal };
  const source = files('s3://bench/orders.parquet', { s3: { endpoint: `http://127.0.0.1:${server.port}` } });
  const [plan] = await Array.fromAsync(source.enumerate(context));
  fetched = 0;
  const opened = await source.open(plan!, context);
  if (!('relation' in opened)) throw new Error('Parquet holds rows');
  await duck.use((connection) => opened.prepare!(`select price, day from (${opened.relation})`, connection));
  const [chunks] = await duck.use((connection) =>
    query(
      connection,
      `select sum(total_compressed_size)::double as bytes from parquet_metadata('${path('orders.parquet')}') where path_in_schema in ('price', 'day')`,
    ),
  );
  const file = await readFile(path('orders.parquet'));
  const needed = Number(chunks!.bytes) + file.readUInt32LE(file.length - 8) + 8;
  console.log(
    `S3 Parquet: ${fetched} of ${file.length} bytes fetched for two columns, ${(fetched / needed).toFixed(4)} of what they need`,
  );
  await opened.close();
  await disk.close();
  await server.stop();
}

/** A server that lists keys without holding them. */
async function listing(): Promise<void> {
  const server = createServer((request, response) => {
    const first = Number(new URL(request.url!, 'http://x').searchParams.get('continuation-token') ?? 0);
    const keys = Array.from({ length: 1000 }, (_, index) => {
      const key = `in/${String(first + index).padStart(9, '0')}.jsonl`;
      return `<Contents><Key>${key}</Key><Size>100</Size><ETag>"${first + index}"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`;
    });
    const more = first + 1000 < KEYS;
    const next = more ? `<NextContinuationToken>${first + 1000}</NextContinuationToken>` : '';
    response.setHeader('content-type', 'application/xml');
    response.end(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${keys.join('')}</ListBucketResult>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const disk = await Spool.open(path('spool'), 1e10);
  const databaseUrl = () => '';
  const context = { duck, root: folder, spool: disk.folder, disk, databaseUrl, signal: new AbortController().signal };
  const source = files('s3://bench/in/', { columns: { id: 'BIGINT' }, s3: { endpoint } });
  const startedMs = performance.now();
  const heapMb: number[] = [];
  let count = 0;
  for await (const _ of source.enumerate(context)) {
    if (++count % 100_000 !== 0) continue;
    (globalThis as { gc?: () => void }).gc?.();
    heapMb.push(Math.round(process.memoryUsage().heapUsed / 2 ** 20));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(
    `Listing: ${count} partitions planned in ${seconds.toFixed(1)} s; heap in MB at each 100,000: ${heapMb.join(' ')}`,
  );
  await disk.close();
  server.close();
}
