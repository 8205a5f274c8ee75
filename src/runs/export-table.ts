import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { rows as duckRows } from '../duckdb/scan.ts';
import { quoteLiteral, quotePath } from '../duckdb/types.ts';
import { datasetCard } from '../lake/dataset-card.ts';
import type { SourceContext } from '../model/source.ts';
import { fetchOut, type OnRow } from '../postgres/copy-out.ts';
import { transaction } from '../postgres/tx.ts';
import { outList, spoolList, TEXT_FORMS, unload } from '../postgres/unload.ts';
import { checked } from '../sources/postgres/options.ts';
import { describeRelation, type Relation } from '../sources/postgres/relation.ts';
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

/**
 * Writes a table in the layout of Hugging Face: `data/train-00000-of-0000N.parquet` (or `.jsonl`), and last of all a README that names them.
 * All shards are of one moment; rows are in the order of the primary key.
 * @throws SOURCE_MISSING when there is no such table, EXPORT_REFUSED when there are shards already
 */
export async function exportTable(services: Services, request: ExportRequest, signal: AbortSignal): Promise<Exported> {
  const { config, target } = services;
  return withSourceContext(services, signal, (context) =>
    transaction(
      target,
      async (client) => {
        await client.query(`set transaction isolation level repeatable read, read only; ${TEXT_FORMS}`);
        const table = await describeRelation(client, checked({ table: request.table }));
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
  table: Relation,
  { to, format, shardRows }: ExportRequest,
  place: Place,
  context: SourceContext,
): Promise<Exported> {
  const { rows: counted } = await client.query(`select count(*) as n from ${table.sql}`);
  const total = Number(counted[0].n);
  const shards = Math.max(1, Math.ceil(total / shardRows));
  await client.query(`declare exported no scroll binary cursor for ${await orderedQuery(client, table)}`);
  const files: string[] = [];
  let bytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const name = `data/train-${pad(shard)}-of-${pad(shards)}.${format}`;
    const held = await context.disk.hold(0, context.signal);
    try {
      const rows = join(held.folder, 'rows.parquet');
      const fetch = (onRow: OnRow) => fetchOut(client, 'exported', shardRows, onRow);
      await unload(fetch, table.columns, rows, held.grow);
      const file = join(held.folder, 'shard');
      await convert(rows, file, table, format, context);
      bytes += await place.put(name, file);
    } finally {
      await held.release();
    }
    files.push(name);
  }
  const columns = table.columns.map(({ name, out }) => ({ name, type: out.duckdb }));
  const card = datasetCard({ name: table.name, rows: total, bytes, columns, pattern: `data/train-*.${format}` });
  await place.write('README.md', card);
  return { table: table.sql, to, rows: total, bytes, files: [...files, 'README.md'] };
}

const pad = (number: number) => String(number).padStart(5, '0');

/** The rows in the order of the primary key. */
async function orderedQuery(client: pg.PoolClient, { sql, columns, table }: Relation): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(attname) as name from pg_index join pg_attribute on attrelid = indrelid and attnum = any (indkey)
     where indrelid = $1::oid and indisprimary order by array_position(indkey, attnum)`,
    [table!.oid],
  );
  const order = rows.length > 0 ? ` order by ${rows.map(({ name }) => `t.${name}`).join(', ')}` : '';
  return `select ${outList(columns)} from ${sql} t${order}`;
}

async function convert(
  rows: string,
  file: string,
  { columns }: Relation,
  format: ExportRequest['format'],
  { duck }: SourceContext,
): Promise<void> {
  const written = format === 'parquet' ? 'format parquet, compression zstd' : 'format json';
  const query = `copy (select ${spoolList(columns)} from read_parquet(${quotePath(rows)})) to ${quoteLiteral(file)} (${written})`;
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
