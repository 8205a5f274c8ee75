import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import { describeTable, quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { withSuffix } from '../postgres/names.ts';
import { grantsOf, likenessOf, moveSequences, renameSequences, replicaIdentityOf } from './likeness.ts';

/** An index or a constraint of a table, as SQL that makes the same on another one. */
interface Part {
  name: string;
  /** `constraint` takes the index of a key with it. */
  kind: 'constraint' | 'index';
  /** Behind the name of the constraint, or behind the table of the index. */
  definition: string;
  unique: boolean;
  /** Of a foreign key: the table that `%other%` stands for in the definition, quoted, and its OID. */
  other: string | null;
  otherOid: number | null;
}

/** The empty table that a run loads instead of the one that it will replace. */
function shadowName({ schema, name }: Table, run: number): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(shadowPart(name, run))}`;
}

export const shadowPart = (name: string, run: number) => withSuffix(name, `__run_${run}`);
const formerPart = (name: string, run: number) => withSuffix(name, `__before_${run}`);

/**
 * Makes the shadows: columns, constraints, keys and triggers as the tables have them, so that what a table would refuse
 * is refused while it is loaded. Indexes that refuse nothing are built at the end.
 * @param tables that are replaced together: what refers to one of them refers to its shadow then
 */
export async function makeShadows(client: ClientBase, tables: readonly Table[], run: number): Promise<void> {
  const shadows = new Map(tables.map((table) => [table.oid, shadowName(table, run)]));
  const keys: string[] = [];
  for (const table of tables) {
    const shadow = shadowName(table, run);
    await client.query(
      `create ${table.unlogged ? 'unlogged ' : ''}table ${shadow} (like ${table.sql} including all excluding indexes)`,
    );
    for (const part of await partsOf(client, table)) {
      const made = makePart(part, shadow, run, (part.otherOid !== null && shadows.get(part.otherOid)) || part.other);
      if (part.other !== null) keys.push(made);
      else if (part.unique || part.kind === 'constraint') await client.query(made);
    }
    for (const statement of await likenessOf(client, table, shadow)) await client.query(statement);
  }
  for (const key of keys) await client.query(key);
}

/** @throws TARGET_INVALID when it is gone */
export async function shadowOf(client: ClientBase, table: Table, run: number): Promise<Table> {
  const shadow = await describeTable(client, shadowName(table, run));
  if (shadow) return shadow;
  throw new DrayageError('TARGET_INVALID', `The table that run ${run} was filling is gone`, {
    where: { table: shadowName(table, run) },
    hint: 'Enqueue the job again.',
  });
}

/** Does away with a shadow that nothing was loaded into. */
export async function dropShadow(client: ClientBase, table: Table, run: number): Promise<void> {
  // Other shadows of the run may refer to it.
  await client.query(`drop table if exists ${shadowName(table, run)} cascade`);
}

/** Whether the run's shadow still waits to be put in place. */
export async function isShadowed(client: ClientBase, table: Table, run: number): Promise<boolean> {
  return (await describeTable(client, shadowName(table, run))) !== undefined;
}

/**
 * Puts the shadow in the table's place, with the name, rights, views and foreign keys of the table; the table stays
 * under another name until somebody drops it. Runs in the caller's transaction, and is nothing to a reader before that
 * commits.
 * @param together OIDs of the tables that are replaced together; they go on to refer to each other
 * @returns the name of the former table, quoted
 */
export async function swapIn(
  client: ClientBase,
  table: Table,
  run: number,
  together: readonly number[],
): Promise<string> {
  const shadow = shadowName(table, run);
  const parts = await partsOf(client, table);
  for (const part of parts) {
    if (!part.unique && part.kind === 'index') await client.query(makePart(part, shadow, run, null));
  }
  await client.query(`lock table ${table.sql} in access exclusive mode`);
  const after = [...(await viewsOver(client, table)), ...(await referencesTo(client, table, together))];
  for (const { before } of after) if (before) await client.query(before);
  const identity = await replicaIdentityOf(client, table, shadow, (index) => shadowPart(index, run));
  for (const statement of [...(await grantsOf(client, table, shadow)), ...identity]) await client.query(statement);
  await moveSequences(client, table, shadow);
  await renameSequences(client, table, shadow, (name) => formerPart(name, run));

  const former = `${quoteIdentifier(table.schema)}.${quoteIdentifier(formerPart(table.name, run))}`;
  await client.query(`alter table ${table.sql} rename to ${quoteIdentifier(formerPart(table.name, run))}`);
  for (const part of parts) await client.query(renamePart(part, former, part.name, formerPart(part.name, run), table));
  await client.query(`alter table ${shadow} rename to ${quoteIdentifier(table.name)}`);
  for (const part of parts)
    await client.query(renamePart(part, table.sql, shadowPart(part.name, run), part.name, table));
  for (const statement of after) await client.query(statement.after);
  return former;
}

/** Keys before what may refer to them. */
async function partsOf(client: ClientBase, table: Table): Promise<Part[]> {
  const { rows } = await client.query<Part>(
    `select c.conname as name, 'constraint' as kind, c.contype in ('p', 'u', 'x') as unique,
       replace(pg_get_constraintdef(c.oid), 'REFERENCES ' || c.confrelid::regclass || '(', 'REFERENCES %other%(') as definition,
       case c.contype when 'f' then c.confrelid::regclass::text end as other, nullif(c.confrelid::int8::float8, 0) as "otherOid"
     from pg_constraint c where c.conrelid = $1::oid and c.contype in ('p', 'u', 'x', 'f')
     union all
     select i.relname, 'index', x.indisunique,
       substr(pg_get_indexdef(x.indexrelid), strpos(pg_get_indexdef(x.indexrelid), ' USING ') + 1), null, null
     from pg_index x join pg_class i on i.oid = x.indexrelid
     where x.indrelid = $1::oid and x.indisvalid
       and not exists (select from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x'))
     order by 3 desc, 2, 1`,
    [table.oid],
  );
  return rows;
}

/** @param other what a foreign key refers to */
function makePart({ kind, name, definition, unique }: Part, shadow: string, run: number, other: string | null): string {
  const part = quoteIdentifier(shadowPart(name, run));
  if (kind === 'index') return `create ${unique ? 'unique ' : ''}index ${part} on ${shadow} ${definition}`;
  return `alter table ${shadow} add constraint ${part} ${definition.replace('%other%', () => other ?? '')}`;
}

function renamePart({ kind }: Part, owner: string, from: string, to: string, { schema }: Table): string {
  const [old, wanted] = [quoteIdentifier(from), quoteIdentifier(to)];
  if (kind === 'constraint') return `alter table ${owner} rename constraint ${old} to ${wanted}`;
  return `alter index ${quoteIdentifier(schema)}.${old} rename to ${wanted}`;
}

interface AroundSwap {
  before?: string;
  after: string;
}

/** Views hang on the table itself, not on its name: the same text makes them hang on its successor. */
async function viewsOver(client: ClientBase, table: Table): Promise<AroundSwap[]> {
  const { rows } = await client.query<AroundSwap>(
    `select distinct format('create or replace view %s%s as %s', v.oid::regclass,
       ' with (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid)) as after
     from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
     join pg_class v on v.oid = r.ev_class and v.relkind = 'v'
     where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass`,
    [table.oid],
  );
  return rows;
}

/** Foreign keys of other tables, which are checked against the new rows; those of partitions go with their table's. */
async function referencesTo(client: ClientBase, table: Table, together: readonly number[]): Promise<AroundSwap[]> {
  const { rows } = await client.query<AroundSwap>(
    `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as before,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as after
     from pg_constraint where confrelid = $1::oid and conrelid <> $1::oid and contype = 'f' and conparentid = 0
       and conrelid <> all ($2::oid[])`,
    [table.oid, together],
  );
  return rows;
}
