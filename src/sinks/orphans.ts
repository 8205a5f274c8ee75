import type { ClientBase } from 'pg';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { Places } from './known.ts';
import type { MappedColumn } from './mapping.ts';
import { RowCopy } from './row-copy.ts';
import type { Window } from './window.ts';

const WAITING = 'pg_temp.drayage_waiting';
const PLACE = 'drayage_place';

/**
 * Finds the rows that refer, through a foreign key of the table to itself, to one that is neither there nor among them,
 * and those that refer to such rows.
 * @returns their places in the window
 * @throws the server's error, when a row breaks a domain
 */
export async function findOrphans(
  client: ClientBase,
  table: Table,
  columns: readonly MappedColumn[],
  window: Window,
): Promise<Set<number>> {
  const loaded = columns.map(({ name }) => name);
  // Columns that are not loaded refer to nothing; keys that are not, nobody knows yet.
  const keys = table.selfReferences.filter(({ from, to }) => [...from, ...to].every((name) => loaded.includes(name)));
  if (keys.length === 0) return new Set();
  const list = loaded.map(quoteIdentifier).join(', ');
  await client.query(
    `create temp table drayage_waiting on commit drop as select ${list}, 0 as ${PLACE} from ${table.sql} with no data`,
  );
  const places = new Places();
  const copy = new RowCopy(client, WAITING, [
    ...columns,
    { name: PLACE, position: 0, encoder: places, notNull: false, allowed: undefined },
  ]);
  let start = 0;
  try {
    for (const stretch of window.slice(0, window.rows)) {
      places.first = start - stretch.from;
      await copy.send(stretch);
      start += stretch.to - stretch.from;
    }
    await copy.finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
  const same = (alias: string, { from, to }: (typeof keys)[number]) =>
    from.map((name, at) => `w.${quoteIdentifier(name)} = ${alias}.${quoteIdentifier(to[at]!)}`).join(' and ');
  const missing = keys.map((key) => {
    const whole = key.from.map((name) => `w.${quoteIdentifier(name)} is not null`).join(' and ');
    const absent = (what: string) => `not exists (select from ${what} x where ${same('x', key)})`;
    return `(${whole} and ${absent(table.sql)} and ${absent(WAITING)})`;
  });
  const told = [...new Set(keys.flatMap(({ to }) => to))].map((name) => `w.${quoteIdentifier(name)}`).join(', ');
  const { rows } = await client
    .query<{ place: number }>(
      `analyze ${WAITING};
     with recursive lost as (
       select w.${PLACE}, ${told} from ${WAITING} w where ${missing.join(' or ')}
       union select w.${PLACE}, ${told} from ${WAITING} w join lost l on ${keys.map((key) => `(${same('l', key)})`).join(' or ')}
     ) select ${PLACE} as place from lost`,
    )
    .then((results) => (results as unknown as { rows: { place: number }[] }[])[1]!);
  await client.query(`drop table ${WAITING}`);
  return new Set(rows.map(({ place }) => place));
}
