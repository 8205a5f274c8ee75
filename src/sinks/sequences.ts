import type { ClientBase } from 'pg';
import type { Table } from '../postgres/catalog.ts';

/**
 * Moves the sequences behind a table's columns past the values that were loaded; otherwise the next row of somebody
 * else would get a number that is taken. Those that the role has no rights on are left alone: the plan has seen that
 * nothing is loaded into their columns.
 */
export async function resetSequences(client: ClientBase, table: Table): Promise<void> {
  const { rows } = await client.query<{ column: string; sequence: string; step: number }>(
    `select quote_ident(a.attname) as column, s.seqrelid::regclass::text as sequence, s.seqincrement as step
     from pg_attribute a
     join pg_sequence s on s.seqrelid = to_regclass(pg_get_serial_sequence(format('%s', $1::oid::regclass), a.attname))
     where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
       and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
       and has_sequence_privilege(s.seqrelid, 'select') and has_sequence_privilege(s.seqrelid, 'update')
       and has_column_privilege(a.attrelid, a.attnum, 'select')`,
    [table.oid],
  );
  for (const { column, sequence, step } of rows) {
    const last = step > 0 ? `max(${column})` : `min(${column})`;
    const further = step > 0 ? '<' : '>';
    await client.query(
      `select setval($1::regclass, v.last) from (select ${last}::bigint as last from ${table.sql}) v, ${sequence} q
       where q.last_value ${further} v.last or (q.last_value = v.last and not q.is_called)`,
      [sequence],
    );
  }
}
