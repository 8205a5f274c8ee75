import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';

export interface TableColumn {
  name: string;
  oid: number;
  /** As Postgres writes it, for example `numeric(15,2)`. */
  type: string;
  /** The raw type modifier, -1 when there is none (`pg_attribute.atttypmod`). */
  typmod: number;
  notNull: boolean;
  hasDefault: boolean;
  /** Computed by Postgres: a load can never write it. */
  generated: boolean;
}

export interface UniqueIndex {
  name: string;
  columns: string[];
}

export interface Table {
  oid: number;
  schema: string;
  name: string;
  /** Quoted and qualified, ready for SQL. */
  sql: string;
  columns: TableColumn[];
  uniqueIndexes: UniqueIndex[];
}

/**
 * @param name as written in SQL, quoted where needed
 * @returns undefined when there is no such table
 */
export async function describeTable(client: ClientBase, name: string): Promise<Table | undefined> {
  const found = await client.query<{ oid: number; schema: string; name: string; sql: string }>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as sql
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = to_regclass($1) and c.relkind in ('r', 'p')`,
    [name],
  );
  const table = found.rows[0];
  if (!table) return undefined;
  const columns = await client.query<TableColumn>(
    `select a.attname as name, a.atttypid::int8::float8 as oid, format_type(a.atttypid, a.atttypmod) as type,
       a.atttypmod as typmod, a.attnotnull as "notNull", a.attgenerated <> '' as generated,
       (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' as "hasDefault"
     from pg_attribute a where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [table.oid],
  );
  const indexes = await client.query<UniqueIndex>(
    // Partial and expression indexes cannot be the arbiter of a plain ON CONFLICT (columns).
    `select c.relname as name, array_agg(a.attname::text order by k.position) as columns
     from pg_index i join pg_class c on c.oid = i.indexrelid
     cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, position)
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = $1::oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
       and k.position <= i.indnkeyatts
     group by c.relname order by c.relname`,
    [table.oid],
  );
  return { ...table, columns: columns.rows, uniqueIndexes: indexes.rows };
}

/** As `describeTable`. @throws TARGET_INVALID when there is no such table */
export async function requireTable(client: ClientBase, name: string): Promise<Table> {
  const table = await describeTable(client, name);
  if (table) return table;
  throw new DrayageError('TARGET_INVALID', `Table ${name} does not exist in the target database`, {
    where: { table: name },
    hint: 'Create it, or name its DDL file in the target of the job.',
  });
}

/** A Postgres identifier in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
