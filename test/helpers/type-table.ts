import type pg from 'pg';
import { kindName } from '../../src/arrow/types.ts';
import type { Duck } from '../../src/duckdb/instance.ts';
import { describe, schemaOf } from '../../src/duckdb/scan.ts';
import { requireTable, type TableColumn } from '../../src/postgres/catalog.ts';
import { LOSSES, type Loss } from '../../src/postgres/encode/coerce.ts';
import { encoderFor, takesNested } from '../../src/postgres/encode/index.ts';
import { postgresType } from '../../src/sinks/infer.ts';

/** One of each type that DuckDB has, as docs/types.md lists them. */
const DUCKDB = [
  ...['boolean', 'tinyint', 'smallint', 'integer', 'bigint', 'hugeint', 'bignum'],
  ...['utinyint', 'usmallint', 'uinteger', 'ubigint', 'uhugeint', 'float', 'double', 'decimal(15,2)'],
  ...['varchar', `enum('a', 'b')`, 'json', 'variant', 'blob', 'bit', 'uuid', 'geometry'],
  ...['date', 'time', 'time_ns', 'timetz', 'timestamp_s', 'timestamp_ms', 'timestamp', 'timestamp_ns', 'timestamptz'],
  ...['interval', 'integer[]', 'integer[3]', 'float[]', 'double[]', 'varchar[]', 'integer[][]', 'struct(a integer)'],
  ...['struct(a integer)[]', 'map(varchar, integer)', 'union(a integer, b varchar)'],
];

/** One of each type of Postgres that something can be loaded into, and some that nothing can. */
const POSTGRES = [
  ...['boolean', 'smallint', 'integer', 'bigint', 'numeric', 'numeric(12,1)', 'real', 'double precision'],
  ...['text', 'varchar(20)', 'char(20)', 'name', 'citext', 'an_enum', 'bytea', 'bit(3)', 'varbit', 'uuid', 'xml'],
  ...['json', 'jsonb', 'hstore', 'date', 'time', 'timetz', 'timestamp', 'timestamp(3)', 'timestamptz', 'interval'],
  ...['inet', 'cidr', 'macaddr', 'macaddr8', 'pg_lsn', 'int4range', 'int8range', 'numrange', 'daterange', 'tsrange'],
  ...['tstzrange', 'int4multirange', 'int8multirange', 'nummultirange', 'datemultirange', 'tsmultirange'],
  ...[
    'tstzmultirange',
    'integer[]',
    'real[]',
    'double precision[]',
    'text[]',
    'a_composite',
    'a_composite[]',
    'a_domain',
  ],
  ...['money', 'point', 'tsvector'],
];

export const TYPES_NEEDED = `
  create extension if not exists citext;
  create extension if not exists hstore;
  create type an_enum as enum ('a', 'b');
  create type a_composite as (a integer);
  create domain a_domain as integer check (value > 0);`;

/** What a type of DuckDB becomes, as a line of the table in docs/types.md. */
export interface TypeLine {
  duckdb: string;
  arrow: string;
  inferred: string;
  into: string;
  allowed: string;
}

/** Found out by asking the code for an encoder of every pair. */
export async function typeTable(duck: Duck, pool: pg.Pool): Promise<TypeLine[]> {
  await pool.query(TYPES_NEEDED);
  await pool.query(`create table all_types (${POSTGRES.map((type, index) => `c${index} ${type}`).join(', ')})`);
  const { columns } = await requireTable(pool as never, 'all_types');
  return duck.use(async (connection) => {
    const lines: TypeLine[] = [];
    for (const type of DUCKDB) {
      const query = `select null::${type} as c`;
      const [column] = await describe(connection, query);
      const arrow = new Set<string>();
      const into: string[] = [];
      const allowed: string[] = [];
      for (const [index, target] of columns.entries()) {
        const expression = column!.expression(takesNested(target.pgType) ? 'nested' : 'json');
        const schema = await schemaOf(connection, `select ${expression} as c from (${query})`);
        const field = schema.fields[0]!;
        if (encoderFor(field, target.pgType)) {
          into.push(POSTGRES[index]!);
          arrow.add(kindName(field));
        } else {
          const loss = lossFor(field, target);
          if (loss) allowed.push(`${POSTGRES[index]} (${loss})`);
        }
      }
      const inferred = postgresType(column!.type);
      lines.push({
        duckdb: type,
        arrow: [...arrow].join(', '),
        inferred,
        into: into.join(', '),
        allowed: allowed.join(', '),
      });
    }
    return lines;
  });
}

function lossFor(field: Parameters<typeof encoderFor>[0], { pgType }: TableColumn): Loss | undefined {
  return (Object.keys(LOSSES) as Loss[]).find((loss) => encoderFor(field, pgType, loss));
}

export function asMarkdown(lines: readonly TypeLine[]): string {
  const varchar = lines.find(({ duckdb }) => duckdb === 'varchar')!;
  const rows = lines.map((line) => {
    const { duckdb, arrow, inferred, allowed } = line;
    const into = line !== varchar && line.into === varchar.into ? 'whatever varchar goes into' : line.into;
    return `| ${[duckdb, arrow, inferred, into, allowed].map((cell) => cell || '–').join(' | ')} |`;
  });
  return ['| DuckDB | Arrow | made up as | goes into | with `allow` |', '|---|---|---|---|---|', ...rows].join('\n');
}
