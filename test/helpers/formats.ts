import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Int32, RecordBatchFileWriter, RecordBatchStreamWriter, Table, Utf8, vectorFromArray } from 'apache-arrow';
import type { Duck } from '../../src/duckdb/instance.ts';
import { rows as query } from '../../src/duckdb/scan.ts';

export interface Sample {
  id: number;
  name: string;
}

/** Rows whose names hold what formats stumble over. */
export const samples = (count: number, offset = 0): Sample[] =>
  Array.from({ length: count }, (_, index) => {
    const id = index + 1 + offset;
    return { id, name: id % 7 === 0 ? `quoted "${id}", with a comma – and ünïcode` : `name ${id}` };
  });

const csvText = (text: string) => (/["\n\t,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const lines = (rows: readonly Sample[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const delimited = (rows: readonly Sample[], delimiter: string) =>
  `id${delimiter}name\n${rows.map(({ id, name }) => `${id}${delimiter}${csvText(name)}\n`).join('')}`;

/** How each format is written, by the ending of its files. */
export const WRITERS: Record<string, (rows: readonly Sample[], duck: Duck) => Promise<Uint8Array>> = {
  parquet: writeParquet,
  jsonl: async (rows) => Buffer.from(lines(rows)),
  'jsonl.gz': async (rows) => gzipSync(lines(rows)),
  'ndjson.zst': async (rows) => zstdCompressSync(lines(rows)),
  json: async (rows) => Buffer.from(JSON.stringify(rows, undefined, 2)),
  'json.gz': async (rows) => gzipSync(JSON.stringify(rows)),
  csv: async (rows) => Buffer.from(delimited(rows, ',')),
  'csv.gz': async (rows) => gzipSync(delimited(rows, ',')),
  'csv.zst': async (rows) => zstdCompressSync(delimited(rows, ',')),
  arrow: async (rows) => writeArrow(rows, new RecordBatchFileWriter()),
  arrows: async (rows) => writeArrow(rows, new RecordBatchStreamWriter()),
  tsv: async (rows) => Buffer.from(delimited(rows, '\t')),
};

/** In batches of 2,048 rows; without rows, a schema alone. */
function writeArrow(rows: readonly Sample[], writer: RecordBatchFileWriter | RecordBatchStreamWriter): Uint8Array {
  const id = vectorFromArray(
    rows.map((row) => row.id),
    new Int32(),
  );
  const name = vectorFromArray(
    rows.map((row) => row.name),
    new Utf8(),
  );
  const table = new Table({ id, name });
  for (let start = 0; start === 0 || start < rows.length; start += 2048) {
    for (const batch of table.slice(start, start + 2048).batches) writer.write(batch);
  }
  return writer.finish().toUint8Array(true);
}

async function writeParquet(rows: readonly Sample[], duck: Duck): Promise<Uint8Array> {
  const path = join(tmpdir(), `drayage-${process.pid}-${Math.random()}.parquet`);
  const values = rows.map(({ id, name }) => `(${id}, '${name}')`).join(', ') || `(null, '')`;
  const select = `select id::integer as id, name from (values ${values}) t(id, name) where id is not null`;
  await duck.use((connection) =>
    query(connection, `copy (${select}) to '${path}' (format parquet, row_group_size 2048)`),
  );
  try {
    return await readFile(path);
  } finally {
    await rm(path);
  }
}
