import type { ClientBase } from 'pg';
import type { Target } from '../model/target.ts';
import { quoteIdentifier } from '../postgres/catalog.ts';
import { isUnique, type Uniqueness } from './unique.ts';

/**
 * Leaves one row of each key in a stage. The order in a fresh table filled by COPY is the order of arrival: the last
 * row wins, or that with the highest version; where rows that exist are ignored, the first.
 * @param stage quoted, filled and not yet changed
 * @param index of the table, which says when keys are the same
 * @param few rows, for which an index that says at once whether there are any such costs more than it spares
 * @returns how many went away
 */
export async function dropSuperseded(
  client: ClientBase,
  stage: string,
  { key, version, onConflict }: Pick<Target, 'key' | 'version' | 'onConflict'>,
  index: Uniqueness,
  few = false,
): Promise<number> {
  const names = key.map(quoteIdentifier);
  const list = names.join(', ');
  if (!few && (await isUnique(client, stage, list, index))) return 0;
  const present = index.nullsEqual ? [] : names.map((name) => `${name} is not null`);
  const whole = [...present, index.predicate ?? 'true'].join(' and ');
  const newest = version === undefined ? '' : `${quoteIdentifier(version)} desc nulls last, `;
  const arrival = onConflict === 'ignore' ? 'ctid' : 'ctid desc';
  const { rowCount } = await client.query(
    `delete from ${stage} s using (
       select ctid, row_number() over (partition by ${list} order by ${newest}${arrival}) as place
       from ${stage} where ${whole}
     ) o where o.ctid = s.ctid and o.place > 1`,
  );
  return rowCount ?? 0;
}
