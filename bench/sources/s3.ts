import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFauxqs } from 'fauxqs';
import { rows as query } from '../../src/duckdb/scan.ts';
import { files } from '../../src/sources/files.ts';
import { s3Store } from '../../src/store/s3.ts';
import { SCENARIOS } from '../scenarios.ts';
import { inFolder, openContext } from './setting.ts';

const ROWS = 500_000;
const KEYS = 1_000_000;
const KEYS_ENV = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench', AWS_REGION: 'eu-west-2' };
const heap = SCENARIOS.find(({ name }) => name === 'heap')!;

/** How much of a Parquet file in S3 is fetched for two of its eleven columns. */
export async function parquetBytes(): Promise<void> {
  Object.assign(process.env, KEYS_ENV);
  const context = await openContext();
  const { duck } = context;
  const path = inFolder('orders.parquet');
  const made = `select ${heap.select} from range(${ROWS}) t(i)`;
  await duck.use((connection) =>
    query(connection, `copy (${made}) to '${path}' (format parquet, row_group_size 50000)`),
  );
  const server = await startFauxqs({ port: 0, logger: false });
  server.createBucket('bench');
  let fetched = 0;
  const proxied = s3Store({ endpoint: `http://127.0.0.1:${server.port}` });
  await proxied.upload({ bucket: 'bench', key: 'orders.parquet' }, createReadStream(path));
  const get = proxied.get.bind(proxied);
  proxied.get = async function* (...asked) {
    for await (const piece of get(...asked)) {
      fetched += piece.length;
      yield piece;
    }
  };
  const source = files('s3://bench/orders.parquet', { s3: { endpoint: `http://127.0.0.1:${server.port}` } });
  const [plan] = await Array.fromAsync(source.enumerate(context));
  fetched = 0;
  const opened = await source.open(plan!, context);
  if (!('relation' in opened)) throw new Error('Parquet holds rows');
  await duck.use((connection) => opened.prepare!(`select price, day from (${opened.relation})`, connection));
  const [chunks] = await duck.use((connection) =>
    query(
      connection,
      `select sum(total_compressed_size)::double as bytes from parquet_metadata('${path}') where path_in_schema in ('price', 'day')`,
    ),
  );
  const file = await readFile(path);
  const needed = Number(chunks!.bytes) + file.readUInt32LE(file.length - 8) + 8;
  console.log(
    `S3 Parquet: ${fetched} of ${file.length} bytes fetched for two columns, ${(fetched / needed).toFixed(4)} of what they need`,
  );
  await opened.close();
  await context.close();
  await server.stop();
}

/** A million keys planned; the server lists them without holding them. */
export async function listing(): Promise<void> {
  Object.assign(process.env, KEYS_ENV);
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
  const context = await openContext();
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
  await context.close();
  server.close();
}
