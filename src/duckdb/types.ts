import duckdb from '@duckdb/node-bindings';
import type { Field } from '../arrow/batch.ts';
import { fieldOf, type Kind, listField, structField } from '../arrow/types.ts';

const { Type } = duckdb;

interface Leaf {
  /** As DuckDB writes it. */
  name: string;
  /** What it becomes in Arrow; absent when it has to be cast first. */
  kind?: Exclude<Kind, 'list' | 'struct'>;
  /** The type that it is cast to without losing anything. */
  cast?: string;
}

/** The type of what holds nothing but nulls, as DuckDB writes it. */
export const NULL_TYPE = '"NULL"';

/** One line per type of DuckDB that holds no others. */
export const LEAVES = new Map<number, Leaf>([
  [Type.BOOLEAN, { name: 'BOOLEAN', kind: 'bool' }],
  [Type.TINYINT, { name: 'TINYINT', kind: 'int8' }],
  [Type.SMALLINT, { name: 'SMALLINT', kind: 'int16' }],
  [Type.INTEGER, { name: 'INTEGER', kind: 'int32' }],
  [Type.BIGINT, { name: 'BIGINT', kind: 'int64' }],
  [Type.UTINYINT, { name: 'UTINYINT', kind: 'uint8' }],
  [Type.USMALLINT, { name: 'USMALLINT', kind: 'uint16' }],
  [Type.UINTEGER, { name: 'UINTEGER', kind: 'uint32' }],
  [Type.UBIGINT, { name: 'UBIGINT', kind: 'uint64' }],
  [Type.HUGEINT, { name: 'HUGEINT', kind: 'decimal' }],
  [Type.UHUGEINT, { name: 'UHUGEINT', cast: 'VARCHAR' }],
  [Type.BIGNUM, { name: 'BIGNUM', cast: 'VARCHAR' }],
  [Type.FLOAT, { name: 'FLOAT', kind: 'float32' }],
  [Type.DOUBLE, { name: 'DOUBLE', kind: 'float64' }],
  [Type.VARCHAR, { name: 'VARCHAR', kind: 'utf8' }],
  [Type.ENUM, { name: 'ENUM', cast: 'VARCHAR' }],
  [Type.BIT, { name: 'BIT', cast: 'VARCHAR' }],
  [Type.BLOB, { name: 'BLOB', kind: 'binary' }],
  [Type.UUID, { name: 'UUID', kind: 'uuid' }],
  [Type.DATE, { name: 'DATE', kind: 'date' }],
  [Type.TIME, { name: 'TIME', kind: 'time' }],
  [Type.TIME_NS, { name: 'TIME_NS', kind: 'time_ns' }],
  [Type.TIME_TZ, { name: 'TIME WITH TIME ZONE', cast: 'VARCHAR' }],
  [Type.TIMESTAMP_S, { name: 'TIMESTAMP_S', cast: 'TIMESTAMP' }],
  [Type.TIMESTAMP_MS, { name: 'TIMESTAMP_MS', cast: 'TIMESTAMP' }],
  [Type.TIMESTAMP, { name: 'TIMESTAMP', kind: 'timestamp' }],
  [Type.TIMESTAMP_NS, { name: 'TIMESTAMP_NS', kind: 'timestamp_ns' }],
  [Type.TIMESTAMP_TZ, { name: 'TIMESTAMP WITH TIME ZONE', kind: 'timestamptz' }],
  [Type.INTERVAL, { name: 'INTERVAL', kind: 'interval' }],
  [Type.GEOMETRY, { name: 'GEOMETRY' }],
  [Type.VARIANT, { name: 'VARIANT', cast: 'JSON' }],
  [Type.SQLNULL, { name: NULL_TYPE, cast: 'INTEGER' }],
]);

/** Those that hold others and become JSON wherever they are. */
export const AS_JSON = new Map<number, string>([
  [Type.MAP, 'MAP'],
  [Type.UNION, 'UNION'],
]);

/**
 * How a column is read: lists and structs as Arrow's, for an array or a composite type, or as JSON; or, to be looked at,
 * everything as text but for booleans, numbers, bytes and JSON, also inside of lists and structs.
 */
export type Form = 'nested' | 'json' | 'plain';

/** A column of a DuckDB query. */
export interface DuckColumn {
  name: string;
  /** As DuckDB writes it, for example `STRUCT(a INTEGER)`. */
  type: string;
  logical: duckdb.LogicalType;
  /**
   * The expression that reads it without losing anything; undefined when no Arrow type of ours holds this one, and the
   * transform has to cast it.
   */
  expression(form: Form): string | undefined;
  /** What it becomes in Arrow when it is read as it is. */
  field: Field | undefined;
}

/** The type as DuckDB writes it; the labels of an enum are left out. */
export function typeText(type: duckdb.LogicalType): string {
  return nestedText(type, (leaf, id) => {
    if (id === Type.DECIMAL) return `DECIMAL(${duckdb.decimal_width(leaf)},${duckdb.decimal_scale(leaf)})`;
    return duckdb.logical_type_get_alias(leaf) ?? LEAVES.get(id)?.name ?? AS_JSON.get(id) ?? `type ${id}`;
  })!;
}

/** The type as SQL. @param textOf what stands for a type that holds no others; undefined when nothing can */
export function nestedText(
  type: duckdb.LogicalType,
  textOf: (leaf: duckdb.LogicalType, id: number) => string | undefined,
): string | undefined {
  const id = duckdb.get_type_id(type);
  if (id === Type.LIST) {
    const element = nestedText(duckdb.list_type_child_type(type), textOf);
    return element && `${element}[]`;
  }
  if (id === Type.ARRAY) {
    const element = nestedText(duckdb.array_type_child_type(type), textOf);
    return element && `${element}[${duckdb.array_type_array_size(type)}]`;
  }
  if (id !== Type.STRUCT) return textOf(type, id);
  const members = structMembers(type).map((member) => {
    const text = nestedText(member.type, textOf);
    return text && `${quoteIdentifier(member.name)} ${text}`;
  });
  return members.includes(undefined) ? undefined : `STRUCT(${members.join(', ')})`;
}

/** The Arrow field that a DuckDB column becomes, or undefined when it has to be cast first (see `duckColumn`). */
export function arrowField(name: string, type: duckdb.LogicalType): Field | undefined {
  const id = duckdb.get_type_id(type);
  if (id === Type.DECIMAL) return fieldOf(name, 'decimal', duckdb.decimal_width(type), duckdb.decimal_scale(type));
  if (isJson(type)) return fieldOf(name, 'json');
  if (id === Type.LIST || id === Type.ARRAY) {
    const element = arrowField('item', elementType(type));
    return element && listField(name, element);
  }
  if (id === Type.STRUCT) {
    const members = structMembers(type).map((member) => arrowField(member.name, member.type));
    return members.includes(undefined) ? undefined : structField(name, members as Field[]);
  }
  const kind = LEAVES.get(id)?.kind;
  return kind && fieldOf(name, kind);
}

export function isJson(type: duckdb.LogicalType): boolean {
  return duckdb.get_type_id(type) === Type.VARCHAR && duckdb.logical_type_get_alias(type) === 'JSON';
}

/** Of a list, or of an array of fixed length. */
export function elementType(type: duckdb.LogicalType): duckdb.LogicalType {
  return duckdb.get_type_id(type) === Type.LIST
    ? duckdb.list_type_child_type(type)
    : duckdb.array_type_child_type(type);
}

export function structMembers(type: duckdb.LogicalType): { name: string; type: duckdb.LogicalType }[] {
  return Array.from({ length: duckdb.struct_type_child_count(type) }, (_, index) => ({
    name: duckdb.struct_type_child_name(type, index),
    type: duckdb.struct_type_child_type(type, index),
  }));
}

/** A DuckDB identifier in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A DuckDB string literal. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The path of one file as a string literal for DuckDB's readers. */
export function quotePath(path: string): string {
  return quoteLiteral(pathPattern(path));
}

/**
 * The pattern of one path, since DuckDB's readers take a path for a pattern: what means something in one is put in
 * brackets, where it means itself. Without them, `a[1].parquet` would be `a1.parquet`.
 */
export function pathPattern(path: string): string {
  return path.replaceAll(/[*?[]/g, '[$&]');
}
