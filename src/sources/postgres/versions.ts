import type { Client } from 'pg';
import { digest } from '../../base/ids.ts';
import type { Relation } from './relation.ts';

/**
 * The parts of a table in which there are rows, and what tells the content of each from any that it had or may have: a
 * sum of hashes over the versions of its rows. Every insert and every update makes a version of its own, known by its
 * place and by the transaction that wrote it (`ctid`, `xmin`), and so the same set of versions is the same content.
 * Statistics prove nothing of the kind: they may be late, lost, or reset. It takes one scan, which sends nothing, and
 * does not read what is stored out of line.
 * @param part an expression over the columns
 * @param server in whose database the table is; left out, the contents are not told apart
 * @returns by the part as text, `null` among them
 */
export async function contents(
  client: Client,
  { sql, table }: Pick<Relation, 'sql' | 'table'>,
  part: string,
  server: string | undefined,
): Promise<Map<string, string | undefined>> {
  const identity = server && (await identityOf(client, server, table!.oid));
  const hash = 'hashint8extended(xmin::text::int8, hashtidextended(ctid, tableoid::int8))';
  const sum = identity ? `concat(count(*), ' ', sum(${hash}))` : 'null';
  const { rows } = await client.query<{ part: string | null; content: string | null }>(
    `select (${part})::text as part, ${sum} as content from ${sql} group by 1`,
  );
  return new Map(
    rows.map(({ part, content }) => [part ?? 'null', identity && content ? digest(identity, content) : undefined]),
  );
}

/** A server that was restored, or took over from another one, may use numbers of transactions again. */
async function identityOf(client: Client, server: string, oid: number): Promise<string> {
  const { rows } = await client.query<{ system: string; timeline: number }>(
    `select system_identifier::text as system, timeline_id as timeline from pg_control_system(), pg_control_checkpoint()`,
  );
  return digest(server, rows[0]!.system, String(rows[0]!.timeline), String(oid));
}
