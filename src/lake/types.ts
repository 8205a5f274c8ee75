import { NULL_TYPE } from '../duckdb/types.ts';

/** Types of DuckDB that Parquet gives back as something else, and what keeps all of what they hold. */
const KEPT_AS: readonly [RegExp, string][] = [
  // Parquet's writer makes doubles of them.
  [/^U?HUGEINT$/, 'DECIMAL(38,0)'],
  // Parquet has no zone for a time, and milliseconds for an interval.
  [/^(TIME WITH TIME ZONE|INTERVAL|TIME_NS|BIT|BIGNUM|ENUM)$/, 'VARCHAR'],
  [/^(UNION|VARIANT)$/, 'JSON'],
  [/^TIMESTAMP_M?S$/, 'TIMESTAMP'],
];

/** Words of a type, and names of members in quotes. */
const WORDS = /"(?:[^"]|"")*"|TIME(?:STAMP)? WITH TIME ZONE|\w+/g;

/**
 * The type that a column of a DuckDB query has in a file, so that nothing is lost.
 * @param type as DuckDB writes it, for example `STRUCT("a" HUGEINT)`
 * @returns undefined for a column of nulls without a type
 */
export function storedType(type: string): string | undefined {
  if (type.includes(NULL_TYPE)) return undefined;
  // An array of fixed length comes back as a list.
  return type.replaceAll(/\[\d+\]/g, '[]').replaceAll(WORDS, (word) => {
    return KEPT_AS.find(([pattern]) => pattern.test(word))?.[1] ?? word;
  });
}

/** What Postgres calls a type, without its modifier, and what DuckDB calls it. */
const BY_NAME: Readonly<Record<string, string>> = {
  smallint: 'SMALLINT',
  int2: 'SMALLINT',
  integer: 'INTEGER',
  int: 'INTEGER',
  int4: 'INTEGER',
  bigint: 'BIGINT',
  int8: 'BIGINT',
  boolean: 'BOOLEAN',
  bool: 'BOOLEAN',
  real: 'FLOAT',
  float4: 'FLOAT',
  'double precision': 'DOUBLE',
  float8: 'DOUBLE',
  date: 'DATE',
  uuid: 'UUID',
  bytea: 'BLOB',
  json: 'JSON',
  jsonb: 'JSON',
  time: 'TIME',
  'time without time zone': 'TIME',
  timestamp: 'TIMESTAMP',
  'timestamp without time zone': 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
  'timestamp with time zone': 'TIMESTAMP WITH TIME ZONE',
};

/** Types of Postgres whose values are kept as Postgres writes them. */
const AS_TEXT =
  /^(text|varchar|character( varying)?|char|bpchar|citext|name|xml|interval|timetz|time with time zone|numeric|decimal|money|bit( varying)?|varbit|inet|cidr|macaddr8?|tsvector|tsquery|hstore|pg_lsn|\w+(multi)?range)$/;

/**
 * The type in files for one that a job declares as Postgres writes it.
 * @returns undefined for one that Postgres does not have
 */
export function declaredType(declared: string): string | undefined {
  const text = declared.trim().toLowerCase();
  if (text.endsWith('[]')) {
    const element = declaredType(text.slice(0, -2));
    return element && `${element}[]`;
  }
  const [, start = '', modifier = '', end = ''] = /^([^(]+)(?:\(([^)]*)\))?(.*)$/.exec(text) ?? [];
  const name = `${start.trim()}${end}`;
  const [precision, scale = '0'] = modifier.split(',').map((part) => part.trim());
  if (/^(numeric|decimal)$/.test(name) && precision && Number(precision) <= 38 && /^\d+$/.test(scale)) {
    return `DECIMAL(${precision},${scale})`;
  }
  return BY_NAME[name] ?? (AS_TEXT.test(name) ? 'VARCHAR' : undefined);
}
