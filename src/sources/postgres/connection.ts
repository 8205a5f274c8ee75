import type { Client } from 'pg';
import { DrayageError, locate } from '../../base/errors.ts';
import type { SourceContext } from '../../model/source.ts';
import { codeOf, databaseError } from '../../postgres/errors.ts';
import { connectClient, cutConnection, serverOf } from '../../postgres/pool.ts';
import { TEXT_FORMS } from '../../postgres/unload.ts';
import type { WholeOptions } from './options.ts';

/**
 * Runs `use` in a transaction that sees one moment and changes nothing, on a connection of its own.
 * @throws DATABASE_UNREACHABLE, SOURCE_MISSING, STORE_DENIED, SOURCE_INVALID, DATABASE_FAILED
 */
export async function atOneMoment<Result>(
  options: WholeOptions,
  context: SourceContext,
  use: (client: Client, server: string) => Promise<Result>,
): Promise<Result> {
  const { signal } = context;
  signal.throwIfAborted();
  const url = context.databaseUrl(options.database);
  const client = await connectClient(url, 'dray source').catch((error) => {
    throw named(error, options.database);
  });
  const cut = () => cutConnection(client);
  signal.addEventListener('abort', cut, { once: true });
  if (signal.aborted) cut();
  try {
    await client.query(`begin transaction isolation level repeatable read read only; ${TEXT_FORMS}`);
    const result = await use(client, serverOf(url));
    await client.query('commit');
    return result;
  } catch (error) {
    if (signal.aborted) throw new DrayageError('INTERRUPTED', 'The read was interrupted', { cause: error });
    throw sourceError(error, options);
  } finally {
    signal.removeEventListener('abort', cut);
    // A connection that was cut has nobody to say goodbye to.
    if (!signal.aborted) await client.end().catch(() => undefined);
  }
}

/** Which variable is to be mended, where it is not the usual one. */
function named(error: unknown, variable: string | undefined): unknown {
  if (!(error instanceof DrayageError) || variable === undefined) return error;
  const { code, where, cause } = error;
  const own = (text: string) => text.replaceAll('DATABASE_URL', variable);
  return new DrayageError(code, own(error.message), { where, hint: own(error.hint ?? ''), cause });
}

/** A mistake in the query, or what the server does not have or does not give. */
function sourceError(error: unknown, { table, query }: WholeOptions): unknown {
  if (error instanceof DrayageError) return table === undefined ? error : locate(error, { table });
  const { message = '', position } = error as { message?: string; position?: string };
  const code = codeOf(error) ?? '';
  const where = table === undefined ? {} : { table };
  const refused = (kind: 'SOURCE_MISSING' | 'STORE_DENIED' | 'SOURCE_INVALID' | 'SOURCE_CHANGED', hint: string) =>
    new DrayageError(kind, `Postgres refused the source: ${message}${placeIn(query, position)}`, {
      where,
      hint,
      cause: error,
    });
  if (/^(42P01|3F000|42703)$/.test(code)) {
    return refused('SOURCE_MISSING', 'Check its name, its schema and its capitals, and which database it is in.');
  }
  if (code === '42501') return refused('STORE_DENIED', 'Grant the role usage on the schema, and select on the table.');
  if (/^(42|22|21|0A|25006)/.test(code))
    return refused('SOURCE_INVALID', 'Mend the query, or the value it stumbles over.');
  return databaseError(error);
}

/** What stands before the query where it is looked at. */
export const QUERY_PREFIX = 'select * from (';

/** @param position of a character in the statement, from 1 */
function placeIn(query: string | undefined, position: string | undefined): string {
  const at = Number(position) - QUERY_PREFIX.length;
  if (query === undefined || !(at >= 1) || at > query.length + 1) return '';
  const before = query.slice(0, at - 1).split('\n');
  return `, line ${before.length}, column ${before.at(-1)!.length + 1} of the query`;
}
