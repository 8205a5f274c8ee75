import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { OID } from '../postgres/encode/column.ts';
import { type Copied, type CopyRequest, copyDirect } from './copy-direct.ts';

const STAGE = 'pg_temp.drayage_stage';

export interface Merged extends Omit<Copied, 'copied'> {
  written: number;
  unchanged: number;
  superseded: number;
}

/**
 * Copies into a temporary table first, then merges by key: of rows with the same key the last one wins, and rows that
 * are already there and equal are not touched. Runs in the caller's transaction.
 */
export async function stageAndMerge(request: Omit<CopyRequest, 'into'>, table: Table, target: Target): Promise<Merged> {
  const { client, columns } = request;
  const names = columns.map(({ name }) => quoteIdentifier(name));
  // A stage has the columns' types and nothing else: no constraint may fire before the merge.
  await client.query(
    `create temp table drayage_stage on commit drop as select ${names.join(', ')} from ${table.sql} with no data`,
  );
  const { copied, ...counts } = await copyDirect({ ...request, into: STAGE });

  const key = target.key.map(quoteIdentifier);
  const merged = await client.query(mergeStatement(table, names, key));
  const { rows } = await client.query<{ keys: number }>(
    `select count(*) as keys from (select distinct ${key.join(', ')} from ${STAGE}) k`,
  );
  await client.query(`drop table ${STAGE}`);
  const written = merged.rowCount ?? 0;
  const keys = rows[0]!.keys;
  return { ...counts, written, unchanged: keys - written, superseded: copied - keys };
}

/** The order in a fresh table filled by COPY is the order of arrival, so the highest ctid is the last row of a key. */
function mergeStatement(table: Table, names: string[], key: string[]): string {
  const list = names.join(', ');
  const last = `select distinct on (${key.join(', ')}) ${list} from ${STAGE} order by ${key.join(', ')}, ctid desc`;
  const others = names.filter((name) => !key.includes(name));
  const insert = `insert into ${table.sql} as t (${list}) select ${list} from (${last}) s on conflict (${key.join(', ')})`;
  if (others.length === 0) return `${insert} do nothing`;
  const updates = others.map((name) => `${name} = excluded.${name}`);
  const side = (alias: string) => `(${others.map((name) => comparable(table, `${alias}.`, name)).join(', ')})`;
  return `${insert} do update set ${updates.join(', ')} where ${side('t')} is distinct from ${side('excluded')}`;
}

/** json has no equality in Postgres; its text has. */
function comparable(table: Table, alias: string, quotedName: string): string {
  const column = table.columns.find(({ name }) => quoteIdentifier(name) === quotedName);
  return column?.oid === OID.json ? `${alias}${quotedName}::text` : alias + quotedName;
}
