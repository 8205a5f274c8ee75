import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';

/** What may be granted by column. */
type ByColumn = 'select' | 'insert' | 'update';

/** What the role that connects may do with a table. */
export interface Rights {
  /** Quoted, as are the others. */
  role: string;
  schema: string;
  database: string;
  /** Whether policies decide which rows it sees: COPY takes none then. */
  restricted: boolean;
  /** Whether it may make temporary tables. */
  temporary: boolean;
  /** Whether it may make tables in the schema. */
  creates: boolean;
  deletes: boolean;
  columns: ({ name: string } & Record<ByColumn, boolean>)[];
  /** Behind defaults and identity columns; `uses` for rows that bring no number, `sets` to go on behind those that do. */
  sequences: { column: string; sequence: string; identity: boolean; uses: boolean; sets: boolean }[];
}

export async function rightsOn(client: ClientBase, { oid }: Table): Promise<Rights> {
  const { rows } = await client.query<Rights>(
    `select quote_ident(current_user) as role, quote_ident(n.nspname) as schema,
       quote_ident(current_database()) as database,
       row_security_active(c.oid) as restricted, has_database_privilege(current_database(), 'temp') as temporary,
       has_schema_privilege(n.oid, 'create') as creates, has_table_privilege(c.oid, 'delete') as deletes,
       (select coalesce(json_agg(json_build_object('name', a.attname,
          'select', has_column_privilege(c.oid, a.attnum, 'select'),
          'insert', has_column_privilege(c.oid, a.attnum, 'insert'),
          'update', has_column_privilege(c.oid, a.attnum, 'update'))), '[]')
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select coalesce(json_agg(json_build_object('column', a.attname, 'sequence', s.oid::regclass::text,
          'identity', a.attidentity <> '',
          'uses', has_sequence_privilege(s.oid, 'usage') or has_sequence_privilege(s.oid, 'update'),
          'sets', has_sequence_privilege(s.oid, 'select') and has_sequence_privilege(s.oid, 'update'))), '[]')
        from (
          select f.adnum as at, d.refobjid as oid from pg_attrdef f
          join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
          where f.adrelid = c.oid
          union select d.refobjsubid, d.objid from pg_depend d
          where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'i'
        ) o join pg_class s on s.oid = o.oid and s.relkind = 'S'
        join pg_attribute a on a.attrelid = c.oid and a.attnum = o.at) as sequences
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1::oid`,
    [oid],
  );
  return rows[0]!;
}

/**
 * @param loaded names of the columns that are given values; when they are not known yet, a right counts as held that is
 *   held on any column
 * @throws TARGET_INVALID with the rights that are missing, and the statement that grants them
 */
export function assertRights(rights: Rights, table: Table, target: Target, loaded?: readonly string[]): void {
  const { role, schema, database, restricted, temporary, creates, deletes } = rights;
  if (restricted) {
    throw new DrayageError(
      'TARGET_INVALID',
      `Row security policies of the table hold for the role ${role}, and Postgres has no COPY where they do`,
      {
        where: { table: table.sql },
        hint: `Connect as the owner of the table or as a role that they do not hold for: alter role ${role} bypassrls.`,
      },
    );
  }
  // What is loaded is a table of its own, which belongs to the role.
  const replaces = target.mode === 'replace';
  const merges = target.mode === 'merge' || (target.mode === 'upsert' && target.onConflict !== 'error');
  const missing: Missing[] = [];
  const miss = (what: string, on: string, held: boolean) => {
    if (!held) missing.push({ what, on });
  };
  miss('create', `schema ${schema}`, creates || !replaces);
  miss('temporary', `database ${database}`, temporary || !merges);
  if (!replaces) {
    for (const right of neededRights(target, merges)) {
      const lacking = columnsWithout(right, rights, target, loaded);
      if (lacking === 'all') missing.push({ what: right, on: table.sql });
      else if (lacking.length > 0) missing.push({ what: `${right} (${lacking.join(', ')})`, on: table.sql });
    }
    miss('delete', table.sql, deletes || target.mode !== 'merge');
    if (loaded) missing.push(...sequencesWithout(rights, table, loaded));
  }
  if (missing.length > 0) throw refusal(missing, role, table);
}

interface Missing {
  what: string;
  on: string;
}

function neededRights({ onConflict }: Target, merges: boolean): ByColumn[] {
  if (!merges) return ['insert'];
  return onConflict === 'update' ? ['select', 'insert', 'update'] : ['select', 'insert'];
}

function columnsWithout(
  right: ByColumn,
  { columns }: Rights,
  { key }: Target,
  loaded: readonly string[] | undefined,
): string[] | 'all' {
  const without = columns.filter((column) => !column[right]);
  if (without.length > 0 && without.length === columns.length) return 'all';
  const needed = loaded?.filter((name) => right !== 'update' || !key.includes(name)) ?? [];
  return without.filter(({ name }) => needed.includes(name)).map(({ name }) => quoteIdentifier(name));
}

/** Rows without a number take the next one, and behind those that have one the sequence has to go on. */
function sequencesWithout({ columns, sequences }: Rights, table: Table, loaded: readonly string[]): Missing[] {
  return sequences.flatMap(({ column, sequence, identity, uses, sets }) => {
    const on = `sequence ${sequence}`;
    if (!loaded.includes(column)) return identity || uses ? [] : [{ what: 'usage', on }];
    const reads = columns.find(({ name }) => name === column)!.select;
    return [
      ...(reads ? [] : [{ what: `select (${quoteIdentifier(column)})`, on: table.sql }]),
      ...(sets ? [] : [{ what: 'select, update', on }]),
    ];
  });
}

function refusal(missing: readonly Missing[], role: string, { sql }: Table): DrayageError {
  const places = [...Map.groupBy(missing, ({ on }) => on)].map(([on, rights]) => {
    return `${rights.map(({ what }) => what).join(', ')} on ${on}`;
  });
  return new DrayageError('TARGET_INVALID', `The role ${role} lacks rights that the load needs: ${places.join('; ')}`, {
    where: { table: sql },
    hint: `As their owner: ${places.map((rights) => `grant ${rights} to ${role}`).join('; ')}.`,
  });
}
