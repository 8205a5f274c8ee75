import type { ClientBase } from 'pg';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';

/** What a table has beside its columns, constraints and indexes, as statements that give the same to another one. */

/**
 * What `like … including all` leaves behind: options, statistics and triggers, which are as enabled as they were. What
 * default privileges give to others goes away; see `grantsOf`.
 */
export async function likenessOf(client: ClientBase, table: Table, shadow: string): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `select format('revoke all on %s from %s', $2::text,
       case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end) as statement
     from pg_class c cross join lateral aclexplode(c.relacl) a where c.oid = to_regclass($2) and a.grantee <> c.relowner
     union
     select format('alter table %s set (%s)', $2::text, o.option)
     from pg_class c left join pg_class t on t.oid = c.reltoastrelid
     cross join lateral (select unnest(c.reloptions) union all select 'toast.' || unnest(t.reloptions)) o(option)
     where c.oid = $1::oid
     union
     select format('alter table %s alter column %I set %s', $2::text, a.attname, o.option)
     from pg_attribute a cross join lateral (
       select 'statistics ' || a.attstattarget where a.attstattarget >= 0
       union all select format('(%s)', unnest(a.attoptions))) o(option)
     where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped`,
    [table.oid, shadow],
  );
  const triggers = await client.query<{ definition: string; enabling: string | null }>(
    `select pg_get_triggerdef(oid) as definition,
       case tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end
         || format(' trigger %I', tgname) as enabling
     from pg_trigger where tgrelid = $1::oid and not tgisinternal`,
    [table.oid],
  );
  return [
    ...rows.map(({ statement }) => statement),
    ...triggers.rows.flatMap(({ definition, enabling }) => [
      // The catalog prints the table with its schema, as `sql` is.
      definition.replace(` ON ${table.sql} `, () => ` ON ${shadow} `),
      ...(enabling ? [`alter table ${shadow} ${enabling}`] : []),
    ]),
  ];
}

/** By what replication tells rows apart. @param named what an index is called that stands for one of the table's */
export async function replicaIdentityOf(
  client: ClientBase,
  table: Table,
  shadow: string,
  named: (index: string) => string,
): Promise<string[]> {
  const { rows } = await client.query<{ kind: string; index: string | null }>(
    `select c.relreplident as kind, i.relname as index from pg_class c
     left join pg_index x on x.indrelid = c.oid and x.indisreplident left join pg_class i on i.oid = x.indexrelid
     where c.oid = $1::oid`,
    [table.oid],
  );
  const [{ kind, index } = {}] = rows;
  if (index) return [`alter table ${shadow} replica identity using index ${quoteIdentifier(named(index))}`];
  return kind === 'f' || kind === 'n'
    ? [`alter table ${shadow} replica identity ${kind === 'f' ? 'full' : 'nothing'}`]
    : [];
}

export async function grantsOf(client: ClientBase, table: Table, shadow: string): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `select format('alter table %s owner to %I', $2::text, pg_get_userbyid(relowner)) as statement
     from pg_class where oid = $1::oid
     union all
     select format('grant %s on %s to %s%s', a.privilege_type, $2::text,
       case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
       case when a.is_grantable then ' with grant option' else '' end)
     from pg_class c cross join lateral aclexplode(c.relacl) a where c.oid = $1::oid
     union all
     select format('grant %s (%I) on %s to %s', x.privilege_type, a.attname, $2::text,
       case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end)
     from pg_attribute a cross join lateral aclexplode(a.attacl) x where a.attrelid = $1::oid and a.attnum > 0
     union all
     select format('comment on table %s is %L', $2::text, obj_description($1::oid, 'pg_class'))
     where obj_description($1::oid, 'pg_class') is not null`,
    [table.oid, shadow],
  );
  return rows.map(({ statement }) => statement);
}

/** Sequences behind defaults go over to the shadow, so that they outlive the former table; see also `resetSequences`. */
export async function moveSequences(client: ClientBase, table: Table, shadow: string): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `select format('alter sequence %s owned by %s.%I', d.objid::regclass, $2::text, a.attname) as statement
     from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S'
     join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
     where d.refobjid = $1::oid and d.deptype = 'a'`,
    [table.oid, shadow],
  );
  for (const { statement } of rows) await client.query(statement);
}

/**
 * The sequence of an identity column belongs to its table for good: that of the shadow goes on where the table's is, and
 * takes its name.
 */
export async function renameSequences(
  client: ClientBase,
  table: Table,
  shadow: string,
  former: (name: string) => string,
): Promise<void> {
  const { rows } = await client.query<{ name: string; successor: string }>(
    `select s.relname as name, n.relname as successor from (values ($1::oid, to_regclass($2)::oid)) v(old, new)
     join pg_attribute a on a.attrelid = v.old and a.attidentity <> ''
     join pg_attribute b on b.attrelid = v.new and b.attname = a.attname
     join pg_class s on s.oid = pg_get_serial_sequence(v.old::regclass::text, a.attname)::regclass
     join pg_class n on n.oid = pg_get_serial_sequence(v.new::regclass::text, b.attname)::regclass`,
    [table.oid, shadow],
  );
  const qualified = (name: string) => `${quoteIdentifier(table.schema)}.${quoteIdentifier(name)}`;
  for (const { name, successor } of rows) {
    await client.query(`select setval($1::regclass, last_value, is_called) from ${qualified(name)}`, [
      qualified(successor),
    ]);
    await client.query(`alter sequence ${qualified(name)} rename to ${quoteIdentifier(former(name))}`);
    await client.query(`alter sequence ${qualified(successor)} rename to ${quoteIdentifier(name)}`);
  }
}
