import type { ClientBase } from 'pg';
import { rowToJson } from '../arrow/row-json.ts';
import type { KeepRejects, OnProgress, Reject, SourceBatch } from '../model/sink.ts';
import { Checksum } from '../postgres/checksum.ts';
import { CopyIn } from '../postgres/copy-in.ts';
import { BatchEncoder } from '../postgres/encode/batch.ts';
import type { MappedColumn } from './mapping.ts';

/** Rejects held in memory before the COPY is interrupted to write them down. */
const REJECTS_HELD = 1000;

export interface Copied {
  read: number;
  copied: number;
  rejected: number;
  checksum: string;
}

export interface CopyRequest {
  client: ClientBase;
  /** Quoted, ready for SQL. */
  into: string;
  /** The table that rejects are named by. */
  table: string;
  columns: readonly MappedColumn[];
  batches: AsyncIterable<SourceBatch>;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
}

/** Sends every row that can be sent through COPY, and keeps the others as rejects. Runs in the caller's transaction. */
export async function copyDirect(request: CopyRequest): Promise<Copied> {
  const { client, into, table, columns, batches, keepRejects, onProgress } = request;
  const encoder = new BatchEncoder(columns);
  const checksum = new Checksum();
  const names = columns.map(({ name }) => name);
  const positions = columns.map(({ position }) => position);
  const counts = { read: 0, copied: 0, rejected: 0 };
  let rejects: Reject[] = [];
  let copy: CopyIn | undefined;

  const writeDown = async () => {
    if (copy) counts.copied += await copy.finish();
    copy = undefined;
    await keepRejects(rejects);
    counts.rejected += rejects.length;
    rejects = [];
  };

  try {
    for await (const source of batches) {
      const { batch } = source;
      const faults = encoder.check(batch);
      let from = 0;
      for (const end of [...faults.map(({ row }) => row), batch.numRows]) {
        for (const piece of encoder.cut(batch, from, end)) {
          copy ??= new CopyIn(client, into, names);
          const frame = await copy.reserve(piece.bytes);
          encoder.encode(batch, piece, frame.rows, checksum);
          copy.send(frame);
        }
        from = end + 1;
      }
      for (const { row, column, reason, message } of faults) {
        const raw = rowToJson(batch.selectAt(positions), row);
        rejects.push({ table, row: source.rowNumber(row), column, reason, message, raw });
      }
      if (rejects.length >= REJECTS_HELD) await writeDown();
      counts.read += batch.numRows;
      onProgress(counts.read);
    }
    await writeDown();
  } catch (error) {
    await copy?.abandon();
    throw error;
  }
  return { ...counts, checksum: checksum.toString() };
}
