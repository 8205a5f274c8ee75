import type { Thrift } from './thrift.ts';

/** Physical types by their numbers in `parquet.thrift`. */
export const PHYSICAL = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, bytes: 6, fixed: 7 } as const;
export type Physical = keyof typeof PHYSICAL;

/** Bytes of a value in the PLAIN encoding; booleans are packed when a row group is written. */
export const WIDTH: Partial<Record<Physical, number>> = { boolean: 1, int32: 4, int64: 8, float: 4, double: 8 };

/** How values are stored, and what they mean. */
export interface LeafType {
  physical: Physical;
  /** Bytes of each value of `fixed`. */
  length?: number;
  /** `ConvertedType` of parquet.thrift, which every reader knows. */
  converted?: number;
  scale?: number;
  precision?: number;
  /** `LogicalType` of parquet.thrift, where there is no converted type. */
  logical?: Thrift;
}

/** The columns of a file: everything is optional, lists are written in three levels. */
export type Node =
  | { kind: 'leaf'; name: string; type: LeafType }
  | { kind: 'list'; name: string; element: Node }
  | { kind: 'struct'; name: string; members: readonly Node[] }
  | { kind: 'map'; name: string; entry: readonly [key: Node, value: Node] };

const unit = (number: 2 | 3): Thrift => ({ struct: { [number]: { struct: {} } } });
const union = (number: number, fields: Record<number, Thrift> = {}): Thrift => ({
  struct: { [number]: { struct: fields } },
});
const moment = (utc: boolean, digits: 2 | 3) => union(8, { 1: { boolean: utc }, 2: unit(digits) });

/** The types of values that are written, by the names of DuckDB (https://parquet.apache.org/docs/file-format/types/logicaltypes/). */
export const LEAF = {
  BOOLEAN: { physical: 'boolean' },
  TINYINT: { physical: 'int32', converted: 15 },
  SMALLINT: { physical: 'int32', converted: 16 },
  INTEGER: { physical: 'int32' },
  BIGINT: { physical: 'int64' },
  UTINYINT: { physical: 'int32', converted: 11 },
  USMALLINT: { physical: 'int32', converted: 12 },
  UINTEGER: { physical: 'int32', converted: 13 },
  UBIGINT: { physical: 'int64', converted: 14 },
  FLOAT: { physical: 'float' },
  DOUBLE: { physical: 'double' },
  VARCHAR: { physical: 'bytes', converted: 0 },
  JSON: { physical: 'bytes', converted: 19 },
  BLOB: { physical: 'bytes' },
  UUID: { physical: 'fixed', length: 16, logical: union(14) },
  DATE: { physical: 'int32', converted: 6 },
  TIME: { physical: 'int64', logical: union(7, { 1: { boolean: false }, 2: unit(2) }) },
  TIMESTAMP: { physical: 'int64', logical: moment(false, 2) },
  TIMESTAMP_NS: { physical: 'int64', logical: moment(false, 3) },
  'TIMESTAMP WITH TIME ZONE': { physical: 'int64', logical: moment(true, 2) },
} as const satisfies Record<string, LeafType>;

/** Digits that an int64 holds. */
export const SHORT_DECIMAL = 18;

export function decimalType(precision: number, scale: number): LeafType {
  const digits = { converted: 5, scale, precision };
  return precision <= SHORT_DECIMAL ? { physical: 'int64', ...digits } : { physical: 'fixed', length: 16, ...digits };
}
