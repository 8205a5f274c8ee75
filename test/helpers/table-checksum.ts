import type { ClientBase } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { Checksum } from '../../src/postgres/checksum.ts';

const HEADER_BYTES = 19;

/**
 * The additive checksum of what a query returns, through one `COPY … TO STDOUT BINARY`: equal to the load's when the
 * columns are the same and in the same order.
 * @param query SQL in full
 */
export async function checksumOfQuery(client: ClientBase, query: string): Promise<{ rows: number; checksum: string }> {
  const checksum = new Checksum();
  let rows = 0;
  let rest: Buffer = Buffer.alloc(0);
  let skip = HEADER_BYTES;
  for await (const piece of client.query(copyTo(`copy (${query}) to stdout (format binary)`))) {
    let bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, piece]) : (piece as Buffer);
    const skipped = Math.min(skip, bytes.length);
    skip -= skipped;
    bytes = bytes.subarray(skipped);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let start = 0;
    for (let end = rowEnd(view, start); end > start; end = rowEnd(view, start)) {
      checksum.add(bytes, view, start, end);
      rows++;
      start = end;
    }
    rest = bytes.subarray(start);
  }
  return { rows, checksum: checksum.toString() };
}

/** Where the row that begins at `start` ends, or `start` when it is not whole yet or is the trailer. */
function rowEnd(view: DataView, start: number): number {
  if (start + 2 > view.byteLength) return start;
  const fields = view.getInt16(start);
  let at = start + 2;
  for (let field = 0; field < fields; field++) {
    if (at + 4 > view.byteLength) return start;
    const length = view.getInt32(at);
    at += 4 + Math.max(0, length);
    if (at > view.byteLength) return start;
  }
  return fields < 0 ? start : at;
}
