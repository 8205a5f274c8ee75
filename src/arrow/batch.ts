import { type Data, type DataType, type Field, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';

export type { Data, DataType, Decimal, Field, RecordBatch, Schema } from 'apache-arrow';

/** The buffers of one column, as Arrow lays them out. */
export interface ColumnBuffers {
  /** Absent for lists and structs. */
  data?: ArrayBufferView;
  /** Strings, blobs and lists: where each begins, and where the last ends. */
  valueOffsets?: Int32Array;
  /** A list's elements, or a struct's members. */
  children?: Data[];
  /** A bit per row, set where there is a value; null when every row has one. */
  validity: Uint8Array | null;
}

/** A column over buffers that stay where they are. */
export function makeColumn(type: DataType, rows: number, { validity, children, ...buffers }: ColumnBuffers): Data {
  // Arrow counts the nulls itself, when somebody asks.
  const nulls = validity ? { nullCount: -1, nullBitmap: validity } : { nullCount: 0 };
  const nested = children ? { child: children[0], children } : {};
  return makeData({ type, length: rows, ...buffers, ...nested, ...nulls } as never);
}

/** @param columns as many as the schema has fields, all of the same length */
export function makeBatch(schema: Schema, rows: number, columns: Data[]): RecordBatch {
  const type = new Struct(schema.fields);
  // Arrow's constructor makes a new schema each time, for which it compares every field with all others.
  return Object.assign(Object.create(Batch.prototype), {
    schema,
    data: makeData({ type, length: rows, nullCount: 0, children: columns }),
    _metadata: new Map(),
  });
}

/**
 * Selects columns as Arrow says that it does. Its own `select` leaves the others' places behind, so that what comes after
 * one that is left out is taken for nulls (apache-arrow 21.2, `RecordBatch.select`).
 */
class Batch extends RecordBatch {
  override select(names: PropertyKey[]): RecordBatch {
    return this.selectAt(this.schema.fields.flatMap(({ name }, place) => (names.includes(name) ? [place] : [])));
  }

  override selectAt(places: number[]): RecordBatch {
    const schema = new Schema(places.map((place) => this.schema.fields[place]!));
    return makeBatch(
      schema,
      this.numRows,
      places.map((place) => this.data.children[place]!),
    );
  }
}

/** Whether every column is in its place: a select of Arrow's own may have moved some. */
export const isAligned = ({ schema, data }: RecordBatch) => schema.fields.length === data.children.length;

export function emptyBatch(schema: Schema): RecordBatch {
  return makeBatch(
    schema,
    0,
    schema.fields.map(({ type }) => emptyColumn(type)),
  );
}

function emptyColumn(type: DataType): Data {
  const children = (type.children as Field[] | null)?.map((member) => emptyColumn(member.type));
  const nested = children ? { child: children[0], children } : {};
  return makeData({ type, length: 0, nullCount: 0, ...nested } as never);
}

export function makeSchema(fields: Schema['fields']): Schema {
  return new Schema(fields);
}

/** What the values of a batch take. */
export function bytesIn({ data }: RecordBatch): number {
  return data.children.reduce((sum, column) => sum + columnBytes(column), 0);
}

function columnBytes({ values, valueOffsets, nullBitmap, children }: Data): number {
  const own = (values?.byteLength ?? 0) + (valueOffsets?.byteLength ?? 0) + (nullBitmap?.byteLength ?? 0);
  return children.reduce((sum, child) => sum + columnBytes(child), own);
}
