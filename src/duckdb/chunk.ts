import duckdb from '@duckdb/node-bindings';
import {
  type ColumnBuffers,
  type Data,
  type DataType,
  makeBatch,
  makeColumn,
  type RecordBatch,
  type Schema,
} from '../arrow/batch.ts';
import { viewOf } from '../arrow/copy.ts';
import { take } from '../arrow/take.ts';
import type { Scratch } from './scratch.ts';
import { readStrings } from './strings.ts';

const { Type } = duckdb;

/**
 * One DuckDB chunk as an Arrow batch. The bindings hand out copies of its vectors; fixed-width ones become columns as
 * they are, the others are put into scratch memory. So the batch is good until the scratch is reset.
 * @param rows how many of the chunk's rows
 * @param schema the fields that `arrowField` gave for the result's columns, or for the first of them
 */
export function chunkToBatch(chunk: duckdb.DataChunk, rows: number, schema: Schema, scratch: Scratch): RecordBatch {
  const columns = schema.fields.map(({ type }, index) => {
    return vectorToColumn(duckdb.data_chunk_get_vector(chunk, index), type, rows, scratch);
  });
  return makeBatch(schema, rows, columns);
}

function vectorToColumn(vector: duckdb.Vector, type: DataType, rows: number, scratch: Scratch): Data {
  const bitmap = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null;
  const validity = bitmap && scratch.borrow(bitmap);
  return makeColumn(type, rows, { validity, ...vectorBuffers(vector, type, rows, validity, scratch) });
}

function vectorBuffers(
  vector: duckdb.Vector,
  arrow: DataType,
  rows: number,
  validity: Uint8Array | null,
  scratch: Scratch,
): Omit<ColumnBuffers, 'validity'> {
  const type = duckdb.vector_get_column_type(vector);
  const id = duckdb.get_type_id(type);
  switch (id) {
    case Type.BOOLEAN:
      return { data: packBits(scratch.borrow(duckdb.vector_get_data(vector, rows)), rows, scratch) };
    case Type.VARCHAR:
    case Type.BLOB: {
      const { offsets, bytes } = readStrings(
        scratch.borrow(duckdb.vector_get_data(vector, rows * 16)),
        rows,
        validity,
        scratch,
      );
      return { valueOffsets: offsets, data: bytes };
    }
    case Type.UUID:
      return { data: uuidBytes(scratch.borrow(duckdb.vector_get_data(vector, rows * 16)), rows, scratch) };
    case Type.DECIMAL: {
      const stored = duckdb.decimal_internal_type(type);
      const raw = scratch.borrow(duckdb.vector_get_data(vector, rows * DECIMAL_BYTES.get(stored)!));
      return { data: widen(raw, stored, rows, scratch) };
    }
    case Type.LIST:
      return listBuffers(vector, arrow, rows, validity, scratch);
    case Type.ARRAY: {
      const size = duckdb.array_type_array_size(type);
      const child = duckdb.array_vector_get_child(vector);
      const valueOffsets = scratch.int32(rows + 1).map((_, row) => row * size);
      return { valueOffsets, children: [vectorToColumn(child, arrow.children[0]!.type, rows * size, scratch)] };
    }
    case Type.STRUCT:
      return {
        children: arrow.children.map((member: { type: DataType }, index: number) =>
          vectorToColumn(duckdb.struct_vector_get_child(vector, index), member.type, rows, scratch),
        ),
      };
    default: {
      const { bytes, view } = FIXED.get(id)!;
      const raw = scratch.borrow(duckdb.vector_get_data(vector, rows * bytes));
      return { data: new view(raw.buffer as ArrayBuffer, raw.byteOffset, raw.byteLength / view.BYTES_PER_ELEMENT) };
    }
  }
}

/** A list is where its elements begin and how many they are, 64 bits each; those of a null row are undefined memory. */
function listBuffers(
  vector: duckdb.Vector,
  arrow: DataType,
  rows: number,
  validity: Uint8Array | null,
  scratch: Scratch,
): Omit<ColumnBuffers, 'validity'> {
  const raw = scratch.borrow(duckdb.vector_get_data(vector, rows * 16));
  const words = new Uint32Array(raw.buffer as ArrayBuffer, raw.byteOffset, rows * 4);
  const count = duckdb.list_vector_get_size(vector);
  const elements = vectorToColumn(duckdb.list_vector_get_child(vector), arrow.children[0]!.type, count, scratch);
  const valueOffsets = scratch.int32(rows + 1);
  valueOffsets[0] = 0;
  let inPlace = true;
  for (let row = 0; row < rows; row++) {
    const length = validity && ((validity[row >> 3]! >> (row & 7)) & 1) === 0 ? 0 : words[row * 4 + 2]!;
    if (length > 0 && words[row * 4] !== valueOffsets[row]) inPlace = false;
    valueOffsets[row + 1] = valueOffsets[row]! + length;
  }
  if (inPlace) return { valueOffsets, children: [elements] };
  // Behind a filter the lists of the rows that went away still lie in between.
  const places = scratch.int32(valueOffsets[rows]!);
  for (let row = 0; row < rows; row++) {
    for (let at = valueOffsets[row]!, from = words[row * 4]!; at < valueOffsets[row + 1]!; at++) places[at] = from++;
  }
  return { valueOffsets, children: [take(elements, places)] };
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
  [Type.TIME_NS, { bytes: 8, view: BigInt64Array }],
  [Type.TIMESTAMP_NS, { bytes: 8, view: BigInt64Array }],
  [Type.INTERVAL, { bytes: 16, view: Uint8Array }],
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
