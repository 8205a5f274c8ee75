import type { Client } from 'pg';
import { DrayageError, locate } from '../../base/errors.ts';
import type { SourceContext } from '../../model/source.ts';
import { codeOf, databaseError } from '../../postgres/errors.ts';
import { connectClient, cutConnection, serverOf } from '../../postgres/pool.ts';
import { TEXT_FORMS } from '../../postgres/unload.ts';
import type { WholeOptions } from './options.ts';

/** How a transaction begins that sees one moment and changes nothing. */
const BEGIN = 'begin transaction isolation level repeatable read read only';

/**
 * Has the server look whether the other end is there while a statement goes on: a process that is killed cancels nothing.
 * Servers before 14 do not know it, and those on other systems refuse it.
 */
const WATCH_CLIENT = `select set_config(name, '1s', true) from pg_settings
  where name = 'client_connection_check_interval' and version() ~ 'linux'`;

type Use<Result> = (client: Client, server: string) => Promise<Result>;

/**
 * Runs `use` in a transaction that sees one moment and changes nothing, on a connection of its own.
 * @param snapshot that it is to see; when that is gone, it sees what there is, and `onGone` is told why
 * @throws DATABASE_UNREACHABLE, SOURCE_MISSING, STORE_DENIED, SOURCE_INVALID, DATABASE_FAILED
 */
export async function atOneMoment<Result>(
  options: WholeOptions,
  context: SourceContext,
  use: Use<Result>,
  { snapshot, onGone }: { snapshot?: string; onGone?: (why: string) => void } = {},
): Promise<Result> {
  return withClient(options, context, async (client, server) => {
    await client.query(BEGIN);
    const why = snapshot === undefined ? undefined : await refusalOf(client, snapshot);
    if (why !== undefined) {
      await client.query(`rollback; ${BEGIN}`);
      onGone?.(why);
    }
    await client.query(`${TEXT_FORMS}; ${WATCH_CLIENT}`);
    const result = await use(client, server);
    await client.query('commit');
    return result;
  });
}

/** What servers say of a snapshot whose transaction has ended, or that was taken in another server or database. */
const SNAPSHOT_GONE = /^(22023|42704|55000|0A000)$/;

/** @returns why the transaction cannot see it */
async function refusalOf(client: Client, snapshot: string): Promise<string | undefined> {
  try {
    await client.query(`set transaction snapshot '${snapshot.replaceAll("'", "''")}'`);
    return undefined;
  } catch (error) {
    if (SNAPSHOT_GONE.test(codeOf(error) ?? '')) return (error as Error).message;
    throw error;
  }
}

/** A transaction that others can see the snapshot of for as long as it is open. */
export interface SharedMoment {
  snapshot: string;
  /** In that transaction. */
  use<Result>(options: WholeOptions, context: SourceContext, work: Use<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** What a server may end a transaction for that does nothing; of these, it knows those of its version. */
const PATIENCE = `select set_config(name, '0', true) from pg_settings
  where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`;

/**
 * Opens a transaction that stays open. It holds on to its locks, so that what it has looked at can be neither altered nor
 * truncated, which a snapshot is no protection against.
 * @throws as `atOneMoment`, and DATABASE_FAILED when the server does not export snapshots
 */
export async function shareMoment(options: WholeOptions, context: SourceContext): Promise<SharedMoment> {
  const url = context.databaseUrl(options.database);
  const client = await connect(options, url, 'dray snapshot');
  const close = async () => void (await client.end().catch(() => undefined));
  try {
    await client.query(`${BEGIN}; ${TEXT_FORMS}`);
    await client.query(PATIENCE);
    const { rows } = await client.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
    const use: SharedMoment['use'] = (by, { signal }, work) =>
      guarded(client, by, signal, () => work(client, serverOf(url)));
    return { snapshot: rows[0]!.snapshot, use, close };
  } catch (error) {
    await close();
    throw databaseError(error);
  }
}

function connect(options: WholeOptions, url: string, applicationName: string): Promise<Client> {
  return connectClient(url, applicationName).catch((error) => {
    throw named(error, options.database);
  });
}

async function withClient<Result>(options: WholeOptions, context: SourceContext, use: Use<Result>): Promise<Result> {
  const { signal } = context;
  signal.throwIfAborted();
  const url = context.databaseUrl(options.database);
  const client = await connect(options, url, 'dray source');
  try {
    return await guarded(client, options, signal, () => use(client, serverOf(url)));
  } finally {
    // A connection that was cut has nobody to say goodbye to.
    if (!signal.aborted) await client.end().catch(() => undefined);
  }
}

/** Cuts the connection when the signal comes, and says what went wrong in our words. */
async function guarded<Result>(
  client: Client,
  options: WholeOptions,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  const cut = () => cutConnection(client);
  signal.addEventListener('abort', cut, { once: true });
  if (signal.aborted) cut();
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw new DrayageError('INTERRUPTED', 'The read was interrupted', { cause: error });
    throw sourceError(error, options);
  } finally {
    signal.removeEventListener('abort', cut);
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
