import type { RecordBatch } from '../arrow/batch.ts';

/** A query over `source`, run inside DuckDB. */
export interface SqlTransform {
  kind: 'sql';
  text: string;
}

/** A function over record batches. It is also called with an empty batch, to learn its result's schema. */
export interface BatchTransform {
  kind: 'batches';
  map: (batch: RecordBatch) => RecordBatch | Promise<RecordBatch>;
}

export type Transform = SqlTransform | BatchTransform;
