import type { ClientBase } from 'pg';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';

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
  // A row without a whole key is nobody's successor, and nobody is its.
  const whole = names.map((name) => `t.${name} is not null`).join(' and ');
  await client.query(`analyze ${seen}`);
  const { rowCount } = await client.query(
    `delete from ${table.sql} t where ${whole} and not exists (select from ${seen} s where ${same})`,
  );
  return rowCount ?? 0;
}

/** Whether the run still keeps keys there: it is dropped with the deletion. */
export async function isOpen(client: ClientBase, seen: string): Promise<boolean> {
  const { rows } = await client.query<{ open: boolean }>('select to_regclass($1) is not null as open', [seen]);
  return rows[0]!.open;
}

export async function closeSeen(client: ClientBase, seen: string): Promise<void> {
  await client.query(`drop table if exists ${seen}`);
}
