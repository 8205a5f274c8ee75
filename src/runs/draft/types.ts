/** What holds the values of a Postgres type in DuckDB, by the type's name as `format_type` or a DDL has it. */
const DUCKDB_TYPES: readonly [RegExp, string, 'text' | 'number' | 'moment' | 'other'][] = [
  [/^(text|character|varchar|char|bpchar|citext)\b(?!.*\[\])/, 'VARCHAR', 'text'],
  [/^smallint$/, 'SMALLINT', 'number'],
  [/^integer$/, 'INTEGER', 'number'],
  [/^bigint$/, 'BIGINT', 'number'],
  [/^real$/, 'FLOAT', 'number'],
  [/^double precision$/, 'DOUBLE', 'number'],
  [/^numeric(\(\d+,-?\d+\))?$/, 'DECIMAL', 'number'],
  [/^boolean$/, 'BOOLEAN', 'other'],
  [/^uuid$/, 'UUID', 'other'],
  [/^date$/, 'DATE', 'moment'],
  [/^(timestamptz|timestamp(\(\d\))? with time zone)$/, 'TIMESTAMPTZ', 'moment'],
  [/^timestamp/, 'TIMESTAMP', 'moment'],
  [/^jsonb?$/, 'JSON', 'other'],
];

const MOST_DIGITS = 38;
const USUAL_DIGITS = 18;

/** DuckDB's type for a column of a table that is there; undefined where it is better left as it was found. */
export function duckdbType(postgres: string): string | undefined {
  const type = known(postgres)?.[1];
  if (type !== 'DECIMAL') return type;
  const [, precision, scale] = /\((\d+),(\d+)\)/.exec(postgres) ?? [];
  return precision !== undefined && Number(precision) <= MOST_DIGITS ? `DECIMAL(${precision},${scale})` : undefined;
}

/** Whether a value has to change what it is on its way from one Postgres type to another, and not only its size. */
export function differs(one: string, other: string): boolean {
  const [from, to] = [known(one), known(other)];
  return from !== undefined && to !== undefined && (from[2] !== to[2] || (from[2] === 'other' && from[1] !== to[1]));
}

/** The digits that were found say little about those to come: room for more before the point, in DuckDB and in Postgres. */
export function roomy(type: string): string {
  return type.replace(/^(DECIMAL|numeric)\((\d+),(\d+)\)$/, (_, name, precision, scale) => {
    return `${name}(${Number(precision) > USUAL_DIGITS ? MOST_DIGITS : USUAL_DIGITS},${scale})`;
  });
}

function known(postgres: string) {
  return DUCKDB_TYPES.find(([pattern]) => pattern.test(postgres));
}
