import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { rows as duckRows } from '../duckdb/scan.ts';
import { quoteIdentifier, quoteLiteral, quotePath } from '../duckdb/types.ts';
import { datasetCard } from '../lake/dataset-card.ts';
import type { SourceContext } from '../model/source.ts';
import { describeTable, type Table } from '../postgres/catalog.ts';
import { transaction } from '../postgres/tx.ts';
import { isS3, parseS3, s3Store } from '../store/s3.ts';
import { withSourceContext } from './plan.ts';
import type { Services } from './services.ts';

export interface ExportRequest {
  /** As written in SQL. */
  table: string;
  /** A folder, or `s3://bucket/prefix`. */
  to: string;
  format: 'parquet' | 'jsonl';
  shardRows: number;
  /** Remove the shards that are there. */
  overwrite: boolean;
}

export interface Exported {
  table: string;
  to: string;
  rows: number;
  bytes: number;
  files: string[];
}

const PAGE_ROWS = 2_000;
/** Bytes that DuckDB's reader is given for a line at the least. */
const LEAST_ROOM = 1024 * 1024;

/**
 * Writes a table in the layout of Hugging Face: `data/train-00000-of-0000N.parquet` (or `.jsonl`), and last of all a README that names them.
 * All shards are of one moment; rows are in the order of the primary key.
 * @throws TARGET_INVALID when there is no such table, EXPORT_REFUSED when there are shards already
 */
export async function exportTable(services: Services, request: ExportRequest, signal: AbortSignal): Promise<Exported> {
  const { config, pool } = services;
  return withSourceContext(services, signal, (context) =>
    transaction(
      pool,
      async (client) => {
        await client.query(`set transaction isolation level repeatable read, read only; set local timezone = 'UTC'`);
        const table = await describeTable(client, request.table);
        if (!table) throw new DrayageError('TARGET_INVALID', `Table ${request.table} does not exist`);
        const place = placeOf(request.to, config.root, signal);
        await place.prepare(request.overwrite);
        return writeShards(client, table, request, place, context);
      },
      signal,
    ),
  );
}

async function writeShards(
  client: pg.PoolClient,
  table: Table,
  { to, format, shardRows }: ExportRequest,
  place: Place,
  context: SourceContext,
): Promise<Exported> {
  const { rows: counted } = await client.query(`select count(*) as n from ${table.sql}`);
  const total = Number(counted[0].n);
  const shards = Math.max(1, Math.ceil(total / shardRows));
  const columns = table.columns.map(({ name, type }) => ({ name, type: duckType(type) }));
  await client.query(`declare exported no scroll cursor for ${await orderedQuery(client, table)}`);
  const files: string[] = [];
  let bytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const name = `data/train-${pad(shard)}-of-${pad(shards)}.${format}`;
    const held = await context.disk.hold(0, context.signal);
    try {
      const lines = join(held.folder, 'rows.csv');
      const size = { longest: 0 };
      await pipeline(Readable.from(csvLines(client, shardRows, size)), createWriteStream(lines));
      held.grow((await stat(lines)).size);
      const file = join(held.folder, 'shard');
      await convert(lines, size.longest, file, columns, format, context);
      bytes += await place.put(name, file);
    } finally {
      await held.release();
    }
    files.push(name);
  }
  const card = datasetCard({ name: table.name, rows: total, bytes, columns, pattern: `data/train-*.${format}` });
  await place.write('README.md', card);
  return { table: table.sql, to, rows: total, bytes, files: [...files, 'README.md'] };
}

const pad = (number: number) => String(number).padStart(5, '0');

/** The rows as texts in the order of the primary key. */
async function orderedQuery(client: pg.PoolClient, table: Table): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(attname) as name from pg_index join pg_attribute on attrelid = indrelid and attnum = any (indkey)
     where indrelid = $1::oid and indisprimary order by array_position(indkey, attnum)`,
    [table.oid],
  );
  const list = table.columns.map(({ name }) => `${quoteIdentifier(name)}::text`).join(', ');
  const order = rows.length > 0 ? ` order by ${rows.map(({ name }) => `t.${name}`).join(', ')}` : '';
  return `select ${list} from ${table.sql} t${order}`;
}

/** Every text in quotes, so that only a null is bare; a mark behind the last one, so that no line is empty. */
async function* csvLines(client: pg.PoolClient, limit: number, size: { longest: number }): AsyncGenerator<string> {
  for (let left = limit; left > 0; ) {
    const { rows } = await client.query({ text: `fetch ${Math.min(left, PAGE_ROWS)} from exported`, rowMode: 'array' });
    if (rows.length === 0) return;
    left -= rows.length;
    const cells = (row: (string | null)[]) =>
      row.map((text) => (text === null ? '' : `"${text.replaceAll('"', '""')}"`));
    const lines = (rows as (string | null)[][]).map((row) => `${[...cells(row), '"."'].join(',')}\n`);
    for (const line of lines) size.longest = Math.max(size.longest, Buffer.byteLength(line));
    yield lines.join('');
  }
}

/** The DuckDB type that keeps what a column of Postgres holds; the text itself where there is none. */
function duckType(type: string): string {
  if (/^(smallint|integer|bigint|boolean|date|uuid)$/.test(type)) return type.toUpperCase();
  if (type === 'real') return 'FLOAT';
  if (type === 'double precision') return 'DOUBLE';
  if (/^timestamp(\(\d\))? without/.test(type)) return 'TIMESTAMP';
  if (/^timestamp(\(\d\))? with /.test(type)) return 'TIMESTAMPTZ';
  if (/^jsonb?$/.test(type)) return 'JSON';
  if (type === 'bytea') return 'BLOB';
  const [, precision, scale] = /^numeric\((\d+),(\d+)\)$/.exec(type) ?? [];
  return precision !== undefined && Number(precision) <= 38 ? `DECIMAL(${precision},${scale})` : 'VARCHAR';
}

async function convert(
  lines: string,
  longest: number,
  file: string,
  columns: readonly { name: string; type: string }[],
  format: ExportRequest['format'],
  { duck }: SourceContext,
): Promise<void> {
  const room = Math.max(longest + 16, LEAST_ROOM);
  const texts = columns.map((_, index) => `'c${index}': 'VARCHAR'`);
  const options = `columns = {${[...texts, `'mark': 'VARCHAR'`].join(', ')}}, auto_detect = false, header = false, delim = ',',
    quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', hive_partitioning = false,
    max_line_size = ${room}, buffer_size = ${room * 2}, parallel = false`;
  const list = columns.map(({ name, type }, index) => {
    const value = type === 'BLOB' ? `unhex(c${index}[3:])` : `c${index}::${type}`;
    return `${value} as ${quoteIdentifier(name)}`;
  });
  const written = format === 'parquet' ? 'format parquet, compression zstd' : 'format json';
  const query = `copy (select ${list.join(', ')} from read_csv(${quotePath(lines)}, ${options})) to ${quoteLiteral(file)} (${written})`;
  await duck.use((connection) => duckRows(connection, query));
}

/** Where shards go. */
interface Place {
  /** @throws EXPORT_REFUSED */
  prepare(overwrite: boolean): Promise<void>;
  /** @returns its bytes */
  put(name: string, file: string): Promise<number>;
  write(name: string, text: string): Promise<void>;
}

function placeOf(to: string, root: string, signal: AbortSignal): Place {
  return isS3(to) ? s3Place(to, signal) : localPlace(resolve(root, to));
}

const SHARD = /(^|\/)data\/train-\d+-of-\d+\.\w+$/;

function localPlace(folder: string): Place {
  return {
    async prepare(overwrite) {
      await mkdir(join(folder, 'data'), { recursive: true });
      const there = (await readdir(join(folder, 'data'))).filter((name) => SHARD.test(`data/${name}`));
      assertFree(there, overwrite, folder);
      for (const name of there) await rm(join(folder, 'data', name));
    },
    async put(name, file) {
      await copyFile(file, join(folder, name));
      return (await stat(file)).size;
    },
    write: (name, text) => writeFile(join(folder, name), text),
  };
}

function s3Place(to: string, signal: AbortSignal): Place {
  const { bucket, key } = parseS3(to);
  const prefix = key === '' || key.endsWith('/') ? key : `${key}/`;
  const store = s3Store();
  return {
    async prepare(overwrite) {
      const there: string[] = [];
      for await (const object of store.list({ bucket, key: `${prefix}data/train-` }, signal)) {
        if (SHARD.test(object.key)) there.push(object.key);
      }
      assertFree(there, overwrite, to);
      await store.delete(bucket, there, signal);
    },
    async put(name, file) {
      await store.upload({ bucket, key: `${prefix}${name}` }, createReadStream(file), signal);
      return (await stat(file)).size;
    },
    write: (name, text) => store.put({ bucket, key: `${prefix}${name}` }, text, signal),
  };
}

function assertFree(there: readonly string[], overwrite: boolean, to: string): void {
  if (there.length === 0 || overwrite) return;
  throw new DrayageError('EXPORT_REFUSED', `${there.length} shards are there already, ${there[0]} for one`, {
    where: { file: to },
    hint: 'Give another place, or replace them with --overwrite.',
  });
}
