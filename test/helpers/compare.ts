import type pg from 'pg';
import type { Duck } from '../../src/duckdb/instance.ts';
import { describe as describeQuery, rows as query } from '../../src/duckdb/scan.ts';
import { quoteIdentifier } from '../../src/duckdb/types.ts';

/** The text in which both sides write the values of a type; undefined where they differ too much. */
function textForms(type: string): { duckdb: string; postgres: string } | undefined {
  if (/^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*|VARCHAR|BOOLEAN|DATE|TIME|UUID|ENUM)$/.test(type)) {
    return { duckdb: '%::varchar', postgres: '%::text' };
  }
  if (type.startsWith('TIMESTAMP')) {
    return { duckdb: 'epoch_us(%)::varchar', postgres: '(extract(epoch from %) * 1000000)::bigint::text' };
  }
  if (type === 'BLOB') return { duckdb: 'lower(hex(%))', postgres: `encode(%, 'hex')` };
  return type === 'DOUBLE' || type === 'FLOAT'
    ? {
        duckdb: 'case when abs(%) < 1e15 then try_cast(trunc(%::double * 1000) as bigint)::varchar end',
        postgres: 'case when abs(%::float8) < 1e15 then trunc(%::float8 * 1000)::bigint::text end',
      }
    : undefined;
}

/**
 * What both sides say about a relation, column by column: how many values it has, and a sum over hashes of their
 * texts, computed by DuckDB and by Postgres each on its own.
 */
export async function compareRelations(duck: Duck, source: string, pool: pg.Pool, table: string) {
  return duck.use(async (connection) => {
    const columns = await describeQuery(connection, source);
    const [ours, theirs] = [['count(*) as n'], ['count(*) as n']];
    for (const [index, { name, type }] of columns.entries()) {
      const column = quoteIdentifier(name);
      ours.push(`count(${column}) as n${index}`);
      theirs.push(`count(${column}) as n${index}`);
      const forms = textForms(type);
      if (!forms) continue;
      const [mine, yours] = [forms.duckdb, forms.postgres].map((form) => form.replaceAll('%', column));
      ours.push(`sum(('0x' || md5(${mine})[1:8])::bigint)::varchar as h${index}`);
      theirs.push(`sum(('x' || substr(md5(${yours}), 1, 8))::bit(32)::bigint & 4294967295)::text as h${index}`);
    }
    const [found] = await query(connection, `select ${ours.join(', ')} from (${source})`);
    const { rows } = await pool.query(`select ${theirs.join(', ')} from ${table}`);
    const asText = (row: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));
    return { source: asText(found!), table: asText(rows[0]) };
  });
}
