import type { ClientBase } from 'pg';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { keyIndexes } from './mapping.ts';

/** The table in which a run notes the keys that it has met. @param index of the route */
export function seenTable(run: number, index: number): string {
  return `drayage.seen_${run}_${index}`;
}

/** Makes that table. It is logged as any other: what a crash emptied would delete everything. */
export async function openSeen(client: ClientBase, seen: string, table: Table, key: readonly string[]): Promise<void> {
  await client.query(
    `create table ${seen} as select ${key.map(quoteIdentifier).join(', ')} from ${table.sql} with no data`,
  );
}

/** Deletes the rows whose keys a run has not met. @returns how many */
export async function deleteMissing(
  client: ClientBase,
  seen: string,
  table: Table,
  key: readonly string[],
): Promise<number> {
  const names = key.map(quoteIdentifier);
  const same = names.map((name) => `s.${name} = t.${name}`).join(' and ');
  // Unless its nulls are equal to others, a row without a whole key is nobody's successor, and nobody is its.
  const whole = names.map((name) => `t.${name} is not null`).join(' and ');
  await client.query(`analyze ${seen}`);
  const { rowCount } = await client.query(
    `delete from ${table.sql} t where ${whole} and not exists (select from ${seen} s where ${same})`,
  );
  if (!keyIndexes(table, key)[0]?.nullsEqual) return rowCount ?? 0;
  const record = (side: string) => `row(${names.map((name) => `${side}.${name}`).join(', ')})::record`;
  const others = await client.query(
    `delete from ${table.sql} t where not (${whole})
     and not exists (select from ${seen} s where ${record('s')} = ${record('t')})`,
  );
  return (rowCount ?? 0) + (others.rowCount ?? 0);
}

/** Whether the run still keeps keys there: a later one that fills the table does away with it. */
export async function isOpen(client: ClientBase, seen: string): Promise<boolean> {
  const { rows } = await client.query<{ open: boolean }>('select to_regclass($1) is not null as open', [seen]);
  return rows[0]!.open;
}

/** Does away with the keys that runs have noted. */
export async function closeAllSeen(client: ClientBase, runs: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'drayage'::regnamespace and relkind = 'r'
     and relname ~ '^seen_[0-9]+_[0-9]+$' and split_part(relname, '_', 2)::bigint = any ($1)`,
    [runs],
  );
  for (const { name } of rows) await client.query(`drop table if exists drayage.${name}`);
}
