import { type Data, type DataType, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';

export type { Data, DataType, Decimal, Field, RecordBatch, Schema } from 'apache-arrow';

/** The buffers of one column, as Arrow lays them out. */
export interface ColumnBuffers {
  data: ArrayBufferView;
  /** Strings and blobs: where each begins, and where the last ends. */
  valueOffsets?: Int32Array;
  /** A bit per row, set where there is a value; null when every row has one. */
  validity: Uint8Array | null;
}

/** A column over buffers that stay where they are. */
export function makeColumn(type: DataType, rows: number, { data, valueOffsets, validity }: ColumnBuffers): Data {
  // Arrow counts the nulls itself, when somebody asks.
  const nulls = validity ? { nullCount: -1, nullBitmap: validity } : { nullCount: 0 };
  return makeData({ type, length: rows, data, ...nulls, ...(valueOffsets ? { valueOffsets } : {}) } as never);
}

/** @param columns as many as the schema has fields, all of the same length */
export function makeBatch(schema: Schema, rows: number, columns: Data[]): RecordBatch {
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: columns }),
  );
}

export function emptyBatch(schema: Schema): RecordBatch {
  const columns = schema.fields.map(({ type }) => makeData({ type, length: 0, nullCount: 0 } as never) as Data);
  return makeBatch(schema, 0, columns);
}

export function makeSchema(fields: Schema['fields']): Schema {
  return new Schema(fields);
}
