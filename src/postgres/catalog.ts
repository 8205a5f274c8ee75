import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import { codeOf, FORBIDDEN } from './errors.ts';
import { describeTypes, type PgType } from './types.ts';

/** What each value of a type of fixed length takes in a row, and where it may begin. */
export interface FixedSize {
  bytes: number;
  align: number;
}

export interface TableColumn {
  name: string;
  /** As Postgres writes it, for example `numeric(15,2)`. */
  type: string;
  pgType: PgType;
  /** Null for a type whose values differ in length. */
  size: FixedSize | null;
  /** Also by its domain. */
  notNull: boolean;
  hasDefault: boolean;
  /** Numbered by Postgres when no value is given. */
  identity: boolean;
  /** Of such, one that an update cannot change. */
  always: boolean;
  /** Computed by Postgres: a load can never write it. */
  generated: boolean;
}

export interface UniqueIndex {
  /** What it is called in errors: by its own name, or by that of a partition's. */
  names: string[];
  columns: string[];
  /** Of a partial index, as SQL with bare column names. */
  predicate: string | null;
  /** What the predicate is about, and the key. */
  needs: string[];
  /** Whether rows with nulls in the key can be equal: `nulls not distinct`, and some column of it takes nulls. */
  nullsEqual: boolean;
}

/** A constraint that may wait for the end of the transaction. */
export interface DeferrableConstraint {
  name: string;
  /** Quoted and qualified, ready for SQL. */
  sql: string;
  /** Of a foreign key: the table that it refers to, and the columns on both sides; null for others. */
  refersTo: number | null;
  from: string[];
  to: string[];
}

export interface Table {
  oid: number;
  schema: string;
  name: string;
  /** Quoted and qualified, ready for SQL. */
  sql: string;
  columns: TableColumn[];
  uniqueIndexes: UniqueIndex[];
  /** Whether a crash empties it, or a partition of it. */
  unlogged: boolean;
  deferrables: DeferrableConstraint[];
  /** Foreign keys to the table itself: their columns, and those that they refer to. */
  selfReferences: { name: string; from: string[]; to: string[] }[];
}

/** What else goes by a name of a table's kind (`pg_class.relkind`). */
const OTHERS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  c: 'a composite type',
};

/** A column as the catalog has it (https://www.postgresql.org/docs/current/catalog-pg-attribute.html). */
interface CatalogColumn extends Omit<TableColumn, 'pgType' | 'size'> {
  oid: number;
  typmod: number;
  bytes: number;
  align: keyof typeof ALIGNED;
}

const ALIGNED = { c: 1, s: 2, i: 4, d: 8 } as const;

/** The columns of a constraint of the catalog, d, and those that it refers to. */
const KEY_COLUMNS = (['conkey', 'confkey'] as const)
  .map(
    (key) => `'${key === 'conkey' ? 'from' : 'to'}',
      (select coalesce(json_agg(a.attname order by k.position), '[]') from unnest(d.${key}) with ordinality k(attnum, position)
       join pg_attribute a on a.attrelid = ${key === 'conkey' ? 'd.conrelid' : 'd.confrelid'} and a.attnum = k.attnum)`,
  )
  .join(', ');

/**
 * @param name as written in SQL, quoted where needed
 * @returns undefined when there is no such table
 * @throws TARGET_INVALID when there is something else by that name, or the role may not look into its schema
 */
export async function describeTable(client: ClientBase, name: string): Promise<Table | undefined> {
  const looking = client.query<Omit<Table, 'columns' | 'uniqueIndexes'> & { kind: string }>(
    `select c.relkind as kind, c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name,
       format('%I.%I', n.nspname, c.relname) as sql,
       c.relpersistence = 'u' or exists (
         select from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid and p.relpersistence = 'u') as unlogged,
       (select coalesce(json_agg(json_build_object('name', d.conname, 'sql', format('%I.%I', n.nspname, d.conname),
          'refersTo', nullif(d.confrelid::int8, 0), ${KEY_COLUMNS}) order by d.conname), '[]')
        from pg_constraint d where d.conrelid = c.oid and d.condeferrable) as deferrables,
       (select coalesce(json_agg(json_build_object('name', d.conname, ${KEY_COLUMNS})), '[]')
        from pg_constraint d where d.conrelid = c.oid and d.confrelid = c.oid and d.contype = 'f') as "selfReferences"
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = to_regclass($1)`,
    [name],
  );
  const [found] = await looking.then(
    ({ rows }) => rows,
    (error) => {
      throw codeOf(error) === FORBIDDEN ? outOfReach(name, error) : error;
    },
  );
  if (!found) return undefined;
  const { kind, ...table } = found;
  if (kind !== 'r' && kind !== 'p') throw notATable(name, kind);
  const { rows: columns } = await client.query<CatalogColumn>(
    `select a.attname as name, a.atttypid::int8::float8 as oid, format_type(a.atttypid, a.atttypmod) as type,
       a.attlen as bytes, a.attalign as align,
       a.atttypmod as typmod, a.attnotnull or t.typnotnull as "notNull", a.attgenerated <> '' as generated,
       a.attidentity <> '' as identity, a.attidentity = 'a' as always,
       (a.atthasdef and a.attgenerated = '') or a.attidentity <> '' or t.typdefault is not null as "hasDefault"
     from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [table.oid],
  );
  const build = await describeTypes(client, [...new Set(columns.map(({ oid }) => oid))]);
  const indexes = await client.query<UniqueIndex>(
    `select c.relname::text || array(
         select p.relname::text from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid) as names,
       array_agg(a.attname::text order by k.position) as columns,
       i.indnullsnotdistinct and not bool_and(a.attnotnull) as "nullsEqual",
       pg_get_expr(i.indpred, i.indrelid) as predicate,
       (select coalesce(array_agg(n.attname::text), '{}') from pg_depend d
        join pg_attribute n on n.attrelid = d.refobjid and n.attnum = d.refobjsubid
        where d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid > 0) as needs
     from pg_index i join pg_class c on c.oid = i.indexrelid
     cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, position)
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = $1::oid and i.indisunique and i.indisvalid and i.indexprs is null
       and k.position <= i.indnkeyatts
     group by c.oid, c.relname, i.indexrelid, i.indpred, i.indrelid, i.indnullsnotdistinct order by i.indpred is not null, c.relname`,
    [table.oid],
  );
  return {
    ...table,
    columns: columns.map(({ oid, typmod, bytes, align, ...column }) => {
      return { ...column, pgType: build(oid, typmod), size: bytes > 0 ? { bytes, align: ALIGNED[align] } : null };
    }),
    uniqueIndexes: indexes.rows,
  };
}

function outOfReach(name: string, cause: Error): DrayageError {
  return new DrayageError('TARGET_INVALID', `Table ${name} is out of reach: ${cause.message}`, {
    where: { table: name },
    hint: 'Grant usage on the schema to the role that connects.',
    cause,
  });
}

function notATable(name: string, kind: string): DrayageError {
  return new DrayageError('TARGET_INVALID', `${name} is ${OTHERS[kind] ?? 'something else'}, and not a table`, {
    where: { table: name },
    hint: 'Rows go into tables: name the one behind it, or another.',
  });
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
