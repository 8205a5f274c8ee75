import duckdb from '@duckdb/node-bindings';
import type { Kind } from '../arrow/types.ts';
import { exactJson, exactParts } from './exact-json.ts';
import {
  AS_JSON,
  arrowField,
  type DuckColumn,
  type Form,
  LEAVES,
  nestedText,
  quoteIdentifier,
  typeText,
} from './types.ts';

const { Type } = duckdb;

const PLAIN = new Set<Kind | undefined>([
  ...(['bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const),
  ...(['float32', 'float64', 'decimal', 'utf8', 'binary'] as const),
]);

export function duckColumn(name: string, type: duckdb.LogicalType): DuckColumn {
  const quoted = quoteIdentifier(name);
  const id = duckdb.get_type_id(type);
  const expression = (form: Form) => {
    // Well-known binary: the form that every other system reads (ISO 19125).
    if (id === Type.GEOMETRY) return form === 'plain' ? `${quoted}::VARCHAR` : `st_aswkb(${quoted})`;
    if (AS_JSON.has(id) || (form === 'json' && isNested(id))) return exactJson(quoted, type) ?? `${quoted}::JSON`;
    const cast = form === 'plain' ? plainCastOf(type) : castOf(type);
    if (cast === undefined) return undefined;
    return cast === typeText(type) ? quoted : `${exactParts(quoted, type) ?? quoted}::${cast}`;
  };
  return { name, type: typeText(type), logical: type, expression, field: arrowField(name, type) };
}

function isNested(id: number): boolean {
  return id === Type.LIST || id === Type.ARRAY || id === Type.STRUCT;
}

/** The type in which Arrow can take it over, as SQL; undefined when there is none. */
function castOf(type: duckdb.LogicalType): string | undefined {
  return nestedText(type, (leaf, id) => {
    if (AS_JSON.has(id)) return 'JSON';
    const known = LEAVES.get(id);
    return known?.cast ?? (id === Type.DECIMAL || known?.kind ? typeText(leaf) : undefined);
  });
}

function plainCastOf(type: duckdb.LogicalType): string {
  return nestedText(type, (leaf, id) => {
    if (AS_JSON.has(id) || id === Type.VARIANT) return 'JSON';
    return id === Type.DECIMAL || PLAIN.has(LEAVES.get(id)?.kind) ? typeText(leaf) : 'VARCHAR';
  })!;
}
