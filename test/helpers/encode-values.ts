import { expect } from 'vitest';
import { makeBatch, makeColumn, makeSchema } from '../../src/arrow/batch.ts';
import { fieldOf } from '../../src/arrow/types.ts';
import { Checksum } from '../../src/postgres/checksum.ts';
import { BatchEncoder } from '../../src/postgres/encode/batch.ts';
import type { ColumnEncoder } from '../../src/postgres/encode/column.ts';

export interface Cell {
  /** In hexadecimal; null for null. */
  image?: string | null;
  reason?: string;
}

/** What becomes of each value, by way of the batch encoder, which asks only for the stretches between faults. */
export function encodeValues(
  encoder: ColumnEncoder,
  values: (string | null)[],
  kind: 'utf8' | 'json' = 'utf8',
): Cell[] {
  const buffers = values.map((value) => Buffer.from(value ?? ''));
  const valueOffsets = new Int32Array(values.length + 1);
  const validity = new Uint8Array(Math.ceil(values.length / 8));
  for (const [index, buffer] of buffers.entries()) {
    valueOffsets[index + 1] = valueOffsets[index]! + buffer.length;
    if (values[index] !== null) validity[index >> 3]! |= 1 << (index & 7);
  }
  const field = fieldOf('v', kind);
  const column = makeColumn(field.type, values.length, { data: Buffer.concat(buffers), valueOffsets, validity });
  const batch = makeBatch(makeSchema([field]), values.length, [column]);
  const batchEncoder = new BatchEncoder([{ name: 'v', position: 0, encoder, notNull: false, allowed: undefined }]);
  const cells: Cell[] = values.map(() => ({}));
  let from = 0;
  const stretch = (to: number) => {
    for (const piece of batchEncoder.cut(batch, from, to)) {
      const out = Buffer.alloc(piece.bytes, 0xee);
      batchEncoder.encode(batch, piece, out, new Checksum());
      for (let row = piece.from, at = 0; row < piece.to; at += piece.sizes[row++ - piece.from]!) {
        const length = out.readInt32BE(at + 2);
        expect(piece.sizes[row - piece.from]).toBe(6 + Math.max(0, length));
        cells[row]!.image = length < 0 ? null : out.subarray(at + 6, at + 6 + length).toString('hex');
      }
    }
  };
  for (const { row, reason, message } of batchEncoder.check(batch).faults) {
    cells[row]!.reason = reason;
    expect(message).toMatch(/\w{3}/);
    if (from < row) stretch(row);
    from = row + 1;
  }
  if (from < values.length) stretch(values.length);
  return cells;
}
