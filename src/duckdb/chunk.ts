import duckdb from '@duckdb/node-bindings';
import { type ColumnBuffers, makeBatch, makeColumn, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { viewOf } from '../arrow/copy.ts';
import type { Scratch } from './scratch.ts';
import { readStrings } from './strings.ts';

const { Type } = duckdb;

/**
 * One DuckDB chunk as an Arrow batch. The bindings hand out copies of its vectors; fixed-width ones become columns as
 * they are, the others are put into scratch memory. So the batch is good until the scratch is reset.
 * @param schema the fields that `arrowField` gave for the result's columns
 */
export function chunkToBatch(chunk: duckdb.DataChunk, schema: Schema, scratch: Scratch): RecordBatch {
  scratch.reset();
  const rows = duckdb.data_chunk_get_size(chunk);
  const columns = schema.fields.map((field, index) => {
    return makeColumn(field.type, rows, vectorBuffers(duckdb.data_chunk_get_vector(chunk, index), rows, scratch));
  });
  return makeBatch(schema, rows, columns);
}

function vectorBuffers(vector: duckdb.Vector, rows: number, scratch: Scratch): ColumnBuffers {
  const validity = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null;
  const type = duckdb.vector_get_column_type(vector);
  const id = duckdb.get_type_id(type);
  switch (id) {
    case Type.BOOLEAN:
      return { validity, data: packBits(duckdb.vector_get_data(vector, rows), rows, scratch) };
    case Type.VARCHAR:
    case Type.BLOB: {
      const { offsets, bytes } = readStrings(duckdb.vector_get_data(vector, rows * 16), rows, validity, scratch);
      return { validity, valueOffsets: offsets, data: bytes };
    }
    case Type.UUID:
      return { validity, data: uuidBytes(duckdb.vector_get_data(vector, rows * 16), rows, scratch) };
    case Type.DECIMAL: {
      const stored = duckdb.decimal_internal_type(type);
      const raw = duckdb.vector_get_data(vector, rows * DECIMAL_BYTES.get(stored)!);
      return { validity, data: widen(raw, stored, rows, scratch) };
    }
    default: {
      const { bytes, view } = FIXED.get(id)!;
      const raw = duckdb.vector_get_data(vector, rows * bytes);
      return {
        validity,
        data: new view(raw.buffer as ArrayBuffer, raw.byteOffset, raw.byteLength / view.BYTES_PER_ELEMENT),
      };
    }
  }
}

const FIXED = new Map([
  [Type.TINYINT, { bytes: 1, view: Int8Array }],
  [Type.SMALLINT, { bytes: 2, view: Int16Array }],
  [Type.INTEGER, { bytes: 4, view: Int32Array }],
  [Type.BIGINT, { bytes: 8, view: BigInt64Array }],
  [Type.UTINYINT, { bytes: 1, view: Uint8Array }],
  [Type.USMALLINT, { bytes: 2, view: Uint16Array }],
  [Type.UINTEGER, { bytes: 4, view: Uint32Array }],
  [Type.UBIGINT, { bytes: 8, view: BigUint64Array }],
  [Type.HUGEINT, { bytes: 16, view: Uint32Array }],
  [Type.FLOAT, { bytes: 4, view: Float32Array }],
  [Type.DOUBLE, { bytes: 8, view: Float64Array }],
  [Type.DATE, { bytes: 4, view: Int32Array }],
  [Type.TIME, { bytes: 8, view: BigInt64Array }],
  [Type.TIMESTAMP, { bytes: 8, view: BigInt64Array }],
  [Type.TIMESTAMP_TZ, { bytes: 8, view: BigInt64Array }],
]);

const DECIMAL_BYTES = new Map([
  [Type.SMALLINT, 2],
  [Type.INTEGER, 4],
  [Type.BIGINT, 8],
  [Type.HUGEINT, 16],
]);

/** DuckDB spends a byte on a boolean, Arrow a bit. */
function packBits(bytes: Uint8Array, rows: number, scratch: Scratch): Uint8Array {
  const bits = scratch.bytes(Math.ceil(rows / 64) * 8).fill(0);
  for (let row = 0; row < rows; row++) if (bytes[row]) bits[row >> 3]! |= 1 << (row & 7);
  return bits;
}

/** DuckDB keeps a UUID as a 128-bit number, low half first, with the top bit flipped so that it sorts. */
function uuidBytes(raw: Uint8Array, rows: number, scratch: Scratch): Uint8Array {
  const bytes = scratch.bytes(rows * 16);
  const [from, to] = [viewOf(raw), viewOf(bytes)];
  for (let at = 0; at < bytes.length; at += 16) {
    to.setInt32(at, from.getInt32(at + 12, true) ^ 0x80000000);
    to.setInt32(at + 4, from.getInt32(at + 8, true));
    to.setInt32(at + 8, from.getInt32(at + 4, true));
    to.setInt32(at + 12, from.getInt32(at, true));
  }
  return bytes;
}

/** DuckDB picks the width of a decimal by its precision; Arrow's is 128 bits, low word first. */
function widen(raw: Uint8Array, stored: duckdb.Type, rows: number, scratch: Scratch): Int32Array {
  const words = (view: Uint8Array) => new Int32Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength / 4);
  if (stored === Type.HUGEINT) return words(raw);
  const wide = scratch.int32(rows * 4);
  if (stored === Type.BIGINT) {
    const halves = words(raw);
    for (let row = 0; row < rows; row++) {
      const high = halves[row * 2 + 1]!;
      const sign = high >> 31;
      wide[row * 4] = halves[row * 2]!;
      wide[row * 4 + 1] = high;
      wide[row * 4 + 2] = sign;
      wide[row * 4 + 3] = sign;
    }
    return wide;
  }
  const buffer = raw.buffer as ArrayBuffer;
  const narrow =
    stored === Type.INTEGER
      ? new Int32Array(buffer, raw.byteOffset, rows)
      : new Int16Array(buffer, raw.byteOffset, rows);
  for (let row = 0; row < rows; row++) {
    const value = narrow[row]!;
    const sign = value >> 31;
    wide[row * 4] = value;
    wide[row * 4 + 1] = sign;
    wide[row * 4 + 2] = sign;
    wide[row * 4 + 3] = sign;
  }
  return wide;
}
