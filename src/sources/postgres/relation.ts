import type { ClientBase, FieldDef } from 'pg';
import { DrayageError } from '../../base/errors.ts';
import { digest } from '../../base/ids.ts';
import { wayOut } from '../../postgres/decode/index.ts';
import { isLoadable } from '../../postgres/encode/index.ts';
import { describeTypes, type PgType } from '../../postgres/types.ts';
import { type OutColumn, outList } from '../../postgres/unload.ts';
import { QUERY_PREFIX } from './connection.ts';
import type { WholeOptions } from './options.ts';

/** What is read, as the server describes it. */
export interface Relation {
  /** As it stands behind `from`. */
  sql: string;
  /** For messages and keys: `orders`, `sales."Order"`, or `query`. */
  name: string;
  columns: readonly (OutColumn & { declared: string | undefined })[];
  /** Tells these columns and types from any others. */
  shape: string;
  /** Of a table. */
  table?: {
    oid: number;
    /** Whether its rows have versions: those of a view or a foreign table have none. */
    versions: boolean;
    bytes: number;
    pages: number;
    /** First column of the primary key. */
    key: string | null;
    /** Types as SQL writes them, by column. */
    types: ReadonlyMap<string, string>;
  };
}

interface About {
  oid: number;
  sql: string;
  kind: string;
  bytes: number;
  pages: number;
  key: string | null;
}

/** @throws SOURCE_INVALID for columns that cannot be told apart; what the server says of a query that it refuses */
export async function describeRelation(client: ClientBase, options: WholeOptions): Promise<Relation> {
  const about = options.table === undefined ? undefined : await lookUp(client, options.table);
  // A comment at the end of the query ends with its line; a semicolon would end the statement.
  const sql = about?.sql ?? `(${options.query!.replace(/[;\s]+$/, '')}\n) q`;
  const { fields } = await client.query({ text: `${QUERY_PREFIX.slice(0, -1)}${sql} limit 0`, rowMode: 'array' });
  const build = await describeTypes(
    client,
    fields.map(({ dataTypeID }) => dataTypeID),
  );
  const written = await typeNames(client, fields);
  const declared = about ? await declaredColumns(client, about.oid) : new Map<string, Declared>();
  const types = fields.map(({ dataTypeID, dataTypeModifier }) => build(dataTypeID, dataTypeModifier));
  const columns = fields.map(({ name }, index) => {
    const type = types[index]!;
    const asText = options.asText.includes(name);
    const out = wayOut(type, Math.max(1, declared.get(name)?.dimensions ?? 1), asText);
    return { name, out, declared: asText || !isLoadable(type) ? undefined : written[index] };
  });
  assertNames(columns, options);
  const shape = digest(...columns.flatMap(({ name, out }, index) => [name, out.duckdb, typeIdentity(types[index]!)]));
  if (!about) return { sql, name: 'query', columns, shape };
  const { oid, kind, bytes, pages, key } = about;
  const sqlTypes = new Map([...declared].map(([name, { type }]) => [name, type]));
  const table = { oid, versions: /[rpm]/.test(kind), bytes, pages, key, types: sqlTypes };
  return { sql, name: options.table!, columns, shape, table };
}

async function lookUp(client: ClientBase, name: string): Promise<About> {
  const { rows } = await client.query<About>(
    `select c.oid::int8::float8 as oid, format('%I.%I', n.nspname, c.relname) as sql, c.relkind as kind, size.*,
       (select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary) as key
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     cross join lateral (
       select coalesce(sum(pg_table_size(part)), 0)::float8 as bytes,
         coalesce(sum(pg_relation_size(part)), 0)::float8 / current_setting('block_size')::int as pages
       from (select relid from pg_partition_tree(c.oid) union select c.oid) parts (part)
     ) size
     where c.oid = to_regclass($1)`,
    [name],
  );
  const [about] = rows;
  if (about && /[rpmvf]/.test(about.kind)) return about;
  throw new DrayageError('SOURCE_MISSING', `There is no table or view ${name}`, {
    where: { table: name },
    hint: 'Check its name, its schema and its capitals, and which database it is in.',
  });
}

async function typeNames(client: ClientBase, fields: readonly FieldDef[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select format_type(oid, modifier) as name from unnest($1::oid[], $2::int[]) with ordinality t (oid, modifier, n) order by n`,
    [fields.map(({ dataTypeID }) => dataTypeID), fields.map(({ dataTypeModifier }) => dataTypeModifier)],
  );
  return rows.map(({ name }) => name);
}

interface Declared {
  type: string;
  dimensions: number;
}

async function declaredColumns(client: ClientBase, oid: number): Promise<Map<string, Declared>> {
  const { rows } = await client.query<Declared & { name: string }>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attndims as dimensions
     from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped`,
    [oid],
  );
  return new Map(rows.map(({ name, ...declared }) => [name, declared]));
}

/** Labels and members count, too: they change what comes out without any row being touched. */
function typeIdentity(type: PgType): string {
  return JSON.stringify(type);
}

function assertNames(columns: readonly OutColumn[], { table, asText }: WholeOptions): void {
  const where = table === undefined ? {} : { table };
  if (columns.length === 0) throw new DrayageError('SOURCE_INVALID', 'The source has no columns', { where });
  const seen = new Map<string, string>();
  for (const { name } of columns) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) {
      const how = other === name ? 'are both called' : `differ in capitals only: "${other}" and`;
      throw new DrayageError('SOURCE_INVALID', `Two columns of the source ${how} "${name}"`, {
        where,
        hint: 'Give one of them another name, in a query: select … as ….',
      });
    }
    seen.set(name.toLowerCase(), name);
  }
  const missing = asText.find((name) => !columns.some((column) => column.name === name));
  if (missing === undefined) return;
  throw new DrayageError('SOURCE_MISSING', `asText names "${missing}", and the source has no such column`, { where });
}

/** The statement that reads it. @param condition of the rows of a partition */
export function selectOf({ columns, sql }: Pick<Relation, 'columns' | 'sql'>, condition: string | undefined): string {
  return `select ${outList(columns)} from ${sql}${condition === undefined ? '' : ` where ${condition}`}`;
}
