import { open } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import {
  type AsyncRecordBatchFileReader,
  type AsyncRecordBatchStreamReader,
  CompressionType,
  compressionRegistry,
  type Field,
  RecordBatchReader,
  type Schema,
} from 'apache-arrow';
import { Footer } from 'apache-arrow/ipc/metadata/file';
import { unpackLz4 } from './lz4.ts';
import { arrowColumn } from './parquet/from-arrow.ts';
import { ParquetWriter } from './parquet/writer.ts';

compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: unpackLz4 });
compressionRegistry.set(CompressionType.ZSTD, { decode: (packed) => zstdDecompressSync(packed) });

/** What an Arrow file holds. */
export interface ArrowShape {
  /** By name: the type that DuckDB reads, and what it has to make of it. */
  columns: { name: string; duckdb: string; becomes?: string | undefined }[];
  /** Columns of types that DuckDB has nothing for. */
  unknown: { name: string; type: string }[];
}

/** Bytes of a file. */
interface Block {
  start: number;
  end: number;
}

type Reader = AsyncRecordBatchFileReader | AsyncRecordBatchStreamReader;

/**
 * What the footer of an Arrow IPC file says (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format).
 * @throws what apache-arrow says of a footer that is damaged
 */
export function footerShape(footer: Uint8Array): ArrowShape & { batches: Block[]; dictionaries: Block[] } {
  const decoded = Footer.decode(footer);
  const blocks = (found: ReturnType<typeof decoded.recordBatches>) =>
    [...found].map(({ offset, metaDataLength, bodyLength }) => {
      return { start: offset, end: offset + metaDataLength + bodyLength };
    });
  const [batches, dictionaries] = [blocks(decoded.recordBatches()), blocks(decoded.dictionaryBatches())];
  return { ...shapeOf(decoded.schema), batches, dictionaries };
}

/** What the beginning of an Arrow stream says. @throws what apache-arrow says of one that is damaged */
export async function streamShape(source: AsyncIterable<Uint8Array>): Promise<ArrowShape> {
  return withReader(source, async ({ schema }) => shapeOf(schema));
}

function shapeOf({ fields }: Schema): ArrowShape {
  const unknown = fields.filter((field) => !arrowColumn(field));
  const columns = fields.map((field) => {
    const { duckdb = '', becomes } = arrowColumn(field) ?? {};
    return { name: field.name, duckdb, becomes };
  });
  return { columns, unknown: unknown.map(({ name, type }) => ({ name, type: String(type) })) };
}

/**
 * Writes record batches into a Parquet file for DuckDB, whose columns are named by `nameOf`.
 * @param batches first and last one, from 0; all when left out
 * @param onBytes told what the file is about to grow by; throws to stop
 */
export async function arrowToParquet(
  path: string,
  batches: { first: number; last: number } | undefined,
  to: string,
  nameOf: (index: number) => string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await withReader(path, async (reader) => {
    const fields: readonly Field[] = reader.schema.fields;
    const columns = fields.map((field) => arrowColumn(field)!);
    const writer = new ParquetWriter(
      to,
      columns.map((column, index) => column.node(nameOf(index))),
      onBytes,
    );
    try {
      for await (const batch of chosen(reader, batches)) {
        for (let row = 0; row < batch.numRows; row++) {
          for (let index = 0; index < columns.length; index++) {
            columns[index]!.add(writer.columns[index]!, 0, 0, batch.data.children[index]!, row);
          }
          writer.endRow();
        }
      }
      writer.finish();
    } finally {
      writer.close();
    }
  });
}

async function* chosen(reader: Reader, batches: { first: number; last: number } | undefined) {
  if (!batches) {
    yield* reader;
    return;
  }
  for (let index = batches.first; index <= batches.last; index++) {
    const batch = await reader.readRecordBatch(index);
    if (!batch) throw new Error(`record batch ${index} is not where the footer says`);
    yield batch;
  }
}

async function withReader<Result>(
  source: string | AsyncIterable<Uint8Array>,
  use: (reader: Reader) => Promise<Result>,
): Promise<Result> {
  const handle = typeof source === 'string' ? await open(source) : undefined;
  try {
    const reader = (await RecordBatchReader.from((handle ?? source) as never)) as unknown as Reader;
    await reader.open({ autoDestroy: false });
    if (!reader.schema) throw new Error('it has no schema');
    return await use(reader);
  } finally {
    await handle?.close().catch(() => undefined);
  }
}
