import type { Data, RecordBatch } from 'apache-arrow';
import { hasNulls, isValid } from '../../arrow/cells.ts';
import type { Checksum } from '../checksum.ts';
import type { ColumnEncoder, Fault } from './column.ts';

export interface EncodedColumn {
  name: string;
  /** Which column of the batch it is. */
  position: number;
  encoder: ColumnEncoder;
  /** A null in it is a reject. */
  notNull: boolean;
}

/** Bytes aimed at per flush: enough to keep the socket busy, little enough to keep the memory flat. */
const FLUSH_BYTES = 512 * 1024;

/**
 * Turns batches into rows of the binary COPY format. The buffers are used in turn, so what `encode` yields is good
 * until the generator has been advanced twice.
 */
export class BatchEncoder {
  readonly #columns: readonly EncodedColumn[];
  #buffers: Uint8Array[] = [new Uint8Array(FLUSH_BYTES), new Uint8Array(FLUSH_BYTES)];

  /** @param columns in the order of the COPY column list */
  constructor(columns: readonly EncodedColumn[]) {
    this.#columns = columns;
  }

  /** The rows that cannot be loaded, by their place in the batch, one fault per row. */
  check(batch: RecordBatch): Fault[] {
    const faults = new Map<number, Fault>();
    for (const { name, position, encoder, notNull } of this.#columns) {
      const data = columnData(batch, position);
      const report = (row: number, reason: string, message: string) => {
        if (!faults.has(row)) faults.set(row, { row, column: name, reason, message });
      };
      if (notNull && hasNulls(data)) reportNulls(data, report);
      encoder.check?.(data, report);
    }
    return [...faults.values()].sort((a, b) => a.row - b.row);
  }

  /** Encodes the rows [from, to) in pieces of about FLUSH_BYTES and adds each row to the checksum. */
  *encode(batch: RecordBatch, from: number, to: number, checksum: Checksum): Generator<Uint8Array, void, undefined> {
    const sizes = this.#rowSizes(batch, from, to);
    for (let start = from; start < to; ) {
      let end = start;
      let bytes = 0;
      while (end < to && (end === start || bytes + sizes[end - from]! <= FLUSH_BYTES)) bytes += sizes[end++ - from]!;
      yield this.#encodePiece(batch, start, end, sizes.subarray(start - from, end - from), bytes, checksum);
      start = end;
    }
  }

  #rowSizes(batch: RecordBatch, from: number, to: number): Int32Array {
    const sizes = new Int32Array(to - from);
    let common = 2;
    for (const { position, encoder } of this.#columns) {
      common += 4;
      const data = columnData(batch, position);
      if (typeof encoder.size === 'function') encoder.size(data, from, to, sizes);
      else {
        common += encoder.size;
        if (hasNulls(data)) {
          for (let index = from; index < to; index++) if (!isValid(data, index)) sizes[index - from]! -= encoder.size;
        }
      }
    }
    for (let slot = 0; slot < sizes.length; slot++) sizes[slot]! += common;
    return sizes;
  }

  #encodePiece(
    batch: RecordBatch,
    from: number,
    to: number,
    sizes: Int32Array,
    bytes: number,
    checksum: Checksum,
  ): Uint8Array {
    const out = this.#nextBuffer(bytes);
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const at = new Int32Array(sizes.length);
    for (let slot = 0, position = 0; slot < sizes.length; position += sizes[slot++]!) {
      view.setInt16(position, this.#columns.length);
      at[slot] = position + 2;
    }
    const target = { out, view, at };
    for (const { position, encoder } of this.#columns) encoder.write(columnData(batch, position), from, to, target);
    for (let slot = 0, start = 0; slot < sizes.length; start += sizes[slot++]!) {
      checksum.add(out, view, start, start + sizes[slot]!);
    }
    return out.subarray(0, bytes);
  }

  #nextBuffer(bytes: number): Uint8Array {
    const [next, other] = this.#buffers as [Uint8Array, Uint8Array];
    const roomy = next.length >= bytes ? next : new Uint8Array(bytes);
    // A buffer that one giant row needed is not kept.
    this.#buffers = [other, roomy.length > 4 * FLUSH_BYTES ? new Uint8Array(FLUSH_BYTES) : roomy];
    return roomy;
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
