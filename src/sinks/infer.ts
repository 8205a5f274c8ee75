import { DrayageError } from '../base/errors.ts';
import { quoteIdentifier } from '../postgres/catalog.ts';
import { postgresName } from '../postgres/names.ts';

/** A column of the source, as DuckDB describes it. */
export interface SourceColumn {
  name: string;
  type: string;
  /** As Postgres writes its type, where it comes from there. */
  declared?: string | undefined;
}

/** A column of a table that is made for a source. */
export interface InferredColumn {
  /** In Postgres; other than in the source when that name is too long. */
  name: string;
  source: string;
  /** As Postgres writes it. */
  type: string;
}

/** The Postgres type that holds every value of a DuckDB type; docs/types.md shows this table. */
export const POSTGRES_TYPES: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'smallint',
  UTINYINT: 'smallint',
  SMALLINT: 'smallint',
  USMALLINT: 'integer',
  INTEGER: 'integer',
  UINTEGER: 'bigint',
  BIGINT: 'bigint',
  UBIGINT: 'numeric',
  HUGEINT: 'numeric',
  UHUGEINT: 'numeric',
  BIGNUM: 'numeric',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  VARCHAR: 'text',
  ENUM: 'text',
  JSON: 'jsonb',
  VARIANT: 'jsonb',
  BLOB: 'bytea',
  BIT: 'bit varying',
  UUID: 'uuid',
  DATE: 'date',
  TIME: 'time',
  TIME_NS: 'time',
  'TIME WITH TIME ZONE': 'timetz',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
  INTERVAL: 'interval',
  GEOMETRY: 'bytea',
  '"NULL"': 'text',
};

/** Lists of these go into JSON as a whole, as do lists of lists, which an array could only hold if all were as long. */
const NO_ARRAY = ['jsonb'];

/** @param type as DuckDB writes it */
export function postgresType(type: string): string {
  if (/^DECIMAL\(\d+,\d+\)$/.test(type)) return type.replace('DECIMAL', 'numeric');
  const element = /^(.*)\[\d*\]$/s.exec(type)?.[1];
  if (element === undefined) return POSTGRES_TYPES[type] ?? 'jsonb';
  const inner = postgresType(element);
  return NO_ARRAY.includes(inner) || inner.endsWith('[]') ? 'jsonb' : `${inner}[]`;
}

/**
 * The columns of all files together: in the order of their first appearance, of a type that holds those of each.
 * @throws TARGET_INVALID when files name a column alike but for capitals
 */
export function inferColumns(files: Iterable<readonly SourceColumn[]>): InferredColumn[] {
  const found = new Map<string, InferredColumn & { open: boolean }>();
  for (const columns of files) {
    for (const { name: source, type: duckdb, declared } of columns) {
      const name = postgresName(source);
      const type = declared ?? postgresType(duckdb);
      // What holds nothing but nulls leaves the type to other files.
      const open = duckdb.includes('"NULL"');
      const known = found.get(name);
      if (!known || known.open) found.set(name, { name, source, type, open });
      else if (!open) found.set(name, { ...known, type: wider(known.type, type) ?? known.type });
    }
  }
  assertApart([...found.keys()]);
  return [...found.values()].map(({ open: _, ...column }) => column);
}

/**
 * Postgres would make two columns of them, each with half of the values.
 * @throws TARGET_INVALID
 */
export function assertApart(names: readonly string[]): void {
  const known = new Map<string, string>();
  for (const name of names) {
    const other = known.get(name.toLowerCase());
    if (other !== undefined) {
      throw new DrayageError('TARGET_INVALID', `The columns "${other}" and "${name}" differ in capitals only`, {
        where: { column: name },
        hint: `Name it once and for all in the transform, for example ${quoteIdentifier(name)} as ${quoteIdentifier(name.toLowerCase())}.`,
      });
    }
    known.set(name.toLowerCase(), name);
  }
}

/** What each type holds beside its own values, the narrower ones first. */
const HOLDS: readonly [string, readonly string[]][] = [
  ['integer', ['smallint']],
  ['real', ['smallint']],
  ['bigint', ['smallint', 'integer']],
  ['double precision', ['smallint', 'integer', 'real']],
  ['numeric', ['smallint', 'integer', 'bigint']],
];

/** A type that holds the values of both, or undefined when there is none. */
function wider(a: string, b: string): string | undefined {
  if (a === b) return a;
  const [one, other] = [decimalOf(a), decimalOf(b)];
  if (one && other) {
    const scale = Math.max(one.scale, other.scale);
    const whole = Math.max(one.precision - one.scale, other.precision - other.scale);
    return `numeric(${whole + scale},${scale})`;
  }
  const [first, second] = [one ? 'numeric' : a, other ? 'numeric' : b];
  return HOLDS.find(([type, held]) => [first, second].every((side) => side === type || held.includes(side)))?.[0];
}

function decimalOf(type: string): { precision: number; scale: number } | undefined {
  const [, precision, scale] = /^numeric\((\d+),(\d+)\)$/.exec(type) ?? [];
  return precision === undefined ? undefined : { precision: Number(precision), scale: Number(scale) };
}

/** The statement that creates a table. @param table quoted and qualified */
export function createTable(table: string, columns: readonly InferredColumn[], key: readonly string[]): string {
  const lines = columns.map(({ name, type }) => {
    return `  ${quoteIdentifier(name)} ${type}${key.includes(name) ? ' not null' : ''}`;
  });
  if (key.length > 0) lines.push(`  primary key (${key.map(quoteIdentifier).join(', ')})`);
  return `create table ${table} (\n${lines.join(',\n')}\n)`;
}
