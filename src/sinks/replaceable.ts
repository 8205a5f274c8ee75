import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { Table } from '../postgres/catalog.ts';

/** What a table of the same name cannot take over, or what would go on with the former one without a word. */
const HINDRANCES = `
  select 'it is partitioned' as problem from pg_class where oid = $1::oid and relkind = 'p'
  union all select 'it inherits, or is inherited from' from pg_inherits where $1::oid in (inhrelid, inhparent)
  union all select 'it has row security policies' from pg_policy where polrelid = $1::oid
  union all select format('it has the rule %I', rulename) from pg_rewrite where ev_class = $1::oid
  union all select format('the materialized view %s reads it', c.oid::regclass)
    from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class
    where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass and c.relkind = 'm'
  union all select format('the rule %I of %s names it', r.rulename, r.ev_class::regclass)
    from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class
    where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass and c.relkind in ('r', 'p') and c.oid <> $1::oid
  union all select format('the function %s names it', d.objid::regprocedure)
    from pg_depend d where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_proc'::regclass
  union all select format('the policy %I of %s reads it', p.polname, p.polrelid::regclass)
    from pg_depend d join pg_policy p on p.oid = d.objid
    where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_policy'::regclass and p.polrelid <> $1::oid
  union all select format('%s is made of its rows', pg_describe_object(d.classid, d.objid, d.objsubid))
    from pg_class c join pg_type t on t.oid = c.reltype
    join pg_depend d on d.refclassid = 'pg_type'::regclass and d.refobjid in (t.oid, t.typarray) and d.deptype = 'n'
    where c.oid = $1::oid
  union all select format('the publication %I names it', p.pubname)
    from pg_publication_rel pr join pg_publication p on p.oid = pr.prpubid where pr.prrelid = $1::oid
  union all select format('%s, which has to change, belongs to %I, and %I may not act for it',
      c.oid::regclass, pg_get_userbyid(c.relowner), current_user)
    from pg_class c where not pg_has_role(c.relowner, 'usage') and c.oid in (
      select $1::oid
      union all select conrelid from pg_constraint where confrelid = $1::oid and contype = 'f'
      union all select r.ev_class from pg_depend d join pg_rewrite r on r.oid = d.objid
        where d.refobjid = $1::oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass)
  limit 1`;

/** @throws TARGET_INVALID for a table that cannot be replaced without loss */
export async function assertReplaceable(client: ClientBase, table: Table): Promise<void> {
  const { rows } = await client.query<{ problem: string }>(HINDRANCES, [table.oid]);
  const [found] = rows;
  if (!found) return;
  throw new DrayageError('TARGET_INVALID', `The table cannot be replaced as a whole: ${found.problem}`, {
    where: { table: table.sql },
    hint: 'Use mode merge, which changes the table in place.',
  });
}
