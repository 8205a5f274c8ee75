import type { ClientBase } from 'pg';

/** A type of Postgres, as far as a value's binary form depends on it. */
export interface PgType {
  oid: number;
  /** As in `pg_type`, without schema: `int4`, `vector`. */
  name: string;
  /** Of the column or of the domain, -1 when there is none. An array's is that of its elements. */
  typmod: number;
  /** Whether it is part of Postgres itself; the OIDs of all others differ from database to database. */
  builtIn: boolean;
  /** Of an array. */
  element?: PgType;
  /** Of a domain. */
  base?: PgType;
  /** Of an enum, in their order. */
  labels?: readonly string[];
  /** Of a composite type, in their order. */
  members?: readonly { name: string; type: PgType }[];
}

interface TypeRow {
  oid: number;
  name: string;
  kind: string;
  builtIn: boolean;
  element: number;
  base: number;
  baseTypmod: number;
  labels: string[] | null;
  members: { name: string; oid: number; typmod: number }[] | null;
}

/** `FirstNormalObjectId` (`access/transam.h`): what has a lower OID came with the server. */
const FIRST_OWN_OID = 16_384;

/** The types with these OIDs, and all that they are made of, by OID; the modifier is for the caller to add. */
export async function describeTypes(
  client: ClientBase,
  oids: readonly number[],
): Promise<(oid: number, typmod: number) => PgType> {
  const { rows } = await client.query<TypeRow>(
    `with recursive needed (oid) as (
       select unnest($1::oid[])
       union
       select part.oid from needed n join pg_type t on t.oid = n.oid
       cross join lateral (
         select t.typelem where t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc
         union all select t.typbasetype where t.typtype = 'd'
         union all select a.atttypid from pg_attribute a
           where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
       ) part (oid)
     )
     select t.oid::int8::float8 as oid, t.typname as name, t.typtype as kind, t.oid < ${FIRST_OWN_OID} as "builtIn",
       case when t.typsubscript = 'array_subscript_handler'::regproc then t.typelem else 0 end::int8::float8 as element,
       t.typbasetype::int8::float8 as base, t.typtypmod as "baseTypmod",
       (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) as labels,
       (select json_agg(json_build_object('name', a.attname, 'oid', a.atttypid::int8, 'typmod', a.atttypmod) order by a.attnum)
        from pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as members
     from needed join pg_type t using (oid)`,
    [oids],
  );
  const byOid = new Map(rows.map((row) => [row.oid, row]));
  const build = (oid: number, typmod: number): PgType => {
    const { name, builtIn, kind, element, base, baseTypmod, labels, members } = byOid.get(oid)!;
    return {
      oid,
      name,
      typmod,
      builtIn,
      ...(element ? { element: build(element, typmod) } : {}),
      ...(kind === 'd' ? { base: build(base, baseTypmod) } : {}),
      ...(labels ? { labels } : {}),
      ...(members ? { members: members.map((member) => ({ ...member, type: build(member.oid, member.typmod) })) } : {}),
    };
  };
  return build;
}
