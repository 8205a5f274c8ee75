import duckdb from '@duckdb/node-bindings';
import type { Field } from '../arrow/batch.ts';
import { fieldOf, type Kind } from '../arrow/types.ts';

const { Type } = duckdb;

/** DuckDB types that become Arrow as they are. */
const DIRECT = new Map<number, Kind>([
  [Type.BOOLEAN, 'bool'],
  [Type.TINYINT, 'int8'],
  [Type.SMALLINT, 'int16'],
  [Type.INTEGER, 'int32'],
  [Type.BIGINT, 'int64'],
  [Type.UTINYINT, 'uint8'],
  [Type.USMALLINT, 'uint16'],
  [Type.UINTEGER, 'uint32'],
  [Type.UBIGINT, 'uint64'],
  [Type.HUGEINT, 'decimal'],
  [Type.FLOAT, 'float32'],
  [Type.DOUBLE, 'float64'],
  [Type.VARCHAR, 'utf8'],
  [Type.BLOB, 'binary'],
  [Type.UUID, 'uuid'],
  [Type.DATE, 'date'],
  [Type.TIME, 'time'],
  [Type.TIMESTAMP, 'timestamp'],
  [Type.TIMESTAMP_TZ, 'timestamptz'],
]);

/** The Arrow field that a DuckDB column becomes, or undefined when it has to be cast first (see `readable`). */
export function arrowField(name: string, type: duckdb.LogicalType): Field | undefined {
  const id = duckdb.get_type_id(type);
  if (id === Type.DECIMAL) return fieldOf(name, 'decimal', duckdb.decimal_width(type), duckdb.decimal_scale(type));
  if (id === Type.VARCHAR && duckdb.logical_type_get_alias(type) === 'JSON') return fieldOf(name, 'json');
  const kind = DIRECT.get(id);
  return kind && fieldOf(name, kind);
}

/** A column of a DuckDB query and the expression that reads it without losing anything. */
export interface DuckColumn {
  name: string;
  /** As DuckDB writes it, for example `STRUCT(a INTEGER)`. */
  type: string;
  /** Undefined when no Arrow type of ours holds this one; the transform has to cast it. */
  expression: string | undefined;
}

/** @param type as `DESCRIBE` prints it */
export function readable(name: string, type: string): DuckColumn {
  const quoted = quoteIdentifier(name);
  if (/[[\]]$|^(STRUCT|MAP|UNION)\(/.test(type)) return { name, type, expression: `to_json(${quoted})` };
  if (/^ENUM\(/.test(type)) return { name, type, expression: `${quoted}::varchar` };
  if (type === 'TIMESTAMP_S' || type === 'TIMESTAMP_MS') return { name, type, expression: `${quoted}::timestamp` };
  const direct = /^DECIMAL\(/.test(type) || DIRECT_NAMES.has(type);
  return { name, type, expression: direct ? quoted : undefined };
}

const DIRECT_NAMES = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'HUGEINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'JSON',
  'BLOB',
  'UUID',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
]);

/** A DuckDB identifier in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A DuckDB string literal. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
