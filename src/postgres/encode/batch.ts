import type { Data, RecordBatch } from '../../arrow/batch.ts';
import { hasNulls, isValid, maskAt } from '../../arrow/cells.ts';
import type { Checksum } from '../checksum.ts';
import { LOSSES, type Loss } from './coerce.ts';
import { type ColumnEncoder, type Fault, LENGTH_BYTES, type Report } from './column.ts';

export interface EncodedColumn {
  name: string;
  /** Which column of the batch it is. */
  position: number;
  encoder: ColumnEncoder;
  /** A null in it is a reject. */
  notNull: boolean;
  /** What it may lose: a row that does is counted, and is no reject. */
  allowed: Loss | undefined;
}

/** What was found out about the rows of a batch. */
export interface Findings {
  /** The rows that cannot be loaded, one fault per row, in their order. */
  faults: Fault[];
  /** By column, the rows that lose what the job allows. */
  coerced: Map<string, Set<number>>;
}

/** Bytes of rows aimed at per message: little enough that encoding and sending overlap. */
const PIECE_BYTES = 128 * 1024;
/**
 * Rows that go together all the same, since every piece costs a call per column, and values of sixteen rows lie in a line
 * of the processor's cache, which fetches the next one by itself; with a limit for very wide ones.
 */
const PIECE_ROWS = 32;
const MOST_PIECE_BYTES = 1024 * 1024;

/** Consecutive rows of a batch that are sent together. */
export interface Piece {
  from: number;
  to: number;
  /** Size of each row's image. */
  sizes: Int32Array;
  bytes: number;
}

/** Turns batches into rows of the binary COPY format. */
export class BatchEncoder {
  readonly #columns: readonly EncodedColumn[];

  /** @param columns in the order of the COPY column list */
  constructor(columns: readonly EncodedColumn[]) {
    this.#columns = columns;
  }

  check(batch: RecordBatch): Findings {
    const faults = new Map<number, Fault>();
    const coerced = new Map<string, Set<number>>();
    for (const { name, position, encoder, notNull, allowed } of this.#columns) {
      const data = columnData(batch, position);
      const lost = new Set<number>();
      const report: Report = (row, reason, message, final) => {
        if (allowed && !final && reason === LOSSES[allowed]) lost.add(row);
        else if (!faults.has(row)) faults.set(row, { row, column: name, reason, message });
      };
      if (notNull && hasNulls(data)) reportNulls(data, report);
      encoder.check?.(data, report);
      if (lost.size > 0) coerced.set(name, lost);
    }
    for (const rows of coerced.values()) for (const row of faults.keys()) rows.delete(row);
    return { faults: [...faults.values()].sort((a, b) => a.row - b.row), coerced };
  }

  /** Cuts the rows [from, to) into pieces. */
  *cut(batch: RecordBatch, from: number, to: number): Generator<Piece, void, undefined> {
    const sizes = this.#rowSizes(batch, from, to);
    for (let start = from; start < to; ) {
      let end = start;
      let bytes = 0;
      while (end < to) {
        const most = end - start < PIECE_ROWS ? MOST_PIECE_BYTES : PIECE_BYTES;
        if (end > start && bytes + sizes[end - from]! > most) break;
        bytes += sizes[end++ - from]!;
      }
      yield { from: start, to: end, sizes: sizes.subarray(start - from, end - from), bytes };
      start = end;
    }
  }

  /**
   * Writes a piece, and adds each of its rows to the checksum.
   * @param out of the piece's size
   */
  encode(batch: RecordBatch, { from, to, sizes }: Piece, out: Uint8Array, checksum: Checksum): void {
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const at = new Int32Array(sizes.length);
    for (let slot = 0, position = 0; slot < sizes.length; position += sizes[slot++]!) {
      view.setInt16(position, this.#columns.length);
      at[slot] = position + 2;
    }
    const target = { out, view, at, spare: this.#columns.length * LENGTH_BYTES };
    for (const { position, encoder } of this.#columns) {
      target.spare -= LENGTH_BYTES;
      encoder.write(columnData(batch, position), from, to, target);
    }
    for (let slot = 0, start = 0; slot < sizes.length; start += sizes[slot++]!) {
      checksum.add(out, view, start, start + sizes[slot]!);
    }
  }

  #rowSizes(batch: RecordBatch, from: number, to: number): Int32Array {
    const sizes = new Int32Array(to - from);
    let common = 2;
    for (const { position, encoder } of this.#columns) {
      common += LENGTH_BYTES;
      const data = columnData(batch, position);
      if (typeof encoder.size === 'function') encoder.size(data, from, to, sizes);
      else {
        common += encoder.size;
        if (hasNulls(data)) {
          const { nullBitmap, offset } = data;
          for (let row = from; row < to; row++) sizes[row - from]! -= encoder.size & ~maskAt(nullBitmap, offset + row);
        }
      }
    }
    for (let slot = 0; slot < sizes.length; slot++) sizes[slot]! += common;
    return sizes;
  }
}

function columnData(batch: RecordBatch, position: number): Data {
  return batch.data.children[position]!;
}

function reportNulls(data: Data, report: (row: number, reason: string, message: string) => void): void {
  for (let index = 0; index < data.length; index++) {
    if (!isValid(data, index)) report(index, 'null_not_allowed', 'the value is null and the column does not allow it');
  }
}
