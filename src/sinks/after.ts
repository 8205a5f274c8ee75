import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { pause } from '../base/lifecycle.ts';
import type { Table } from '../postgres/catalog.ts';
import { databaseError, existsAlready } from '../postgres/errors.ts';
import { buildProgress, dropInvalidIndexes } from '../postgres/indexes.ts';
import { abbreviate, indexName, splitStatements } from '../postgres/statements.ts';
import { session } from '../postgres/tx.ts';
import { resetSequences } from './sequences.ts';

const WATCH_EVERY_MS = 1_000;
const LOCK_EVERY_MS = 500;

export interface AfterScript {
  /** Named in errors. */
  file: string;
  sql: string;
}

export interface Completing {
  pool: pg.Pool;
  /** Shows what is being done; its failures are ignored. */
  tell: (phase: string | null) => Promise<void>;
  signal: AbortSignal;
}

/**
 * Completes a table whose rows are all in: runs what was left for after the load, one statement at a time and outside
 * of a transaction, since nothing else builds an index concurrently; then brings the statistics up to date. A
 * statement that did its work before the process died is recognised when all this is done once more.
 * @param loaded whether rows have come in
 */
export async function completeTable(
  table: Table,
  script: AfterScript | undefined,
  loaded: boolean,
  { pool, tell, signal }: Completing,
): Promise<void> {
  const name = table.sql;
  const say = (phase: string | null) => tell(phase).catch(() => undefined);
  const work = async (client: pg.PoolClient) => {
    const pid = await claimTable(
      client,
      table,
      () => say(`waiting for another process that completes ${name}`),
      signal,
    );
    const statements = script ? splitStatements(script.sql) : [];
    if (statements.length > 0) await dropInvalidIndexes(client, table);
    for (const statement of statements) {
      await watched({ pool, pid, label: labelOf(statement), say }, () => client.query(statement)).catch((error) => {
        if (!existsAlready(error) || client.getTransactionStatus() !== 'I')
          throw failure(error, name, script!, statement);
      });
    }
    if (client.getTransactionStatus() !== 'I') throw leftOpen(name, script!);
    if (!loaded) return;
    await say(`analyzing ${name}`);
    await resetSequences(client, table);
    await client.query(`analyze ${table.sql}`);
  };
  try {
    await session(pool, work, signal);
  } finally {
    await say(null);
  }
}

/**
 * Makes this session the only one that completes the table, until its connection ends. A build that has lost its
 * process goes on in the server, and holds the table for so long.
 * @returns the session's process in the server
 */
async function claimTable(
  client: pg.PoolClient,
  { oid }: Table,
  onWait: () => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  // A frozen process must not keep the table for ever; between two statements there is hardly a moment.
  await client.query(`set idle_session_timeout = '1min'`);
  for (;;) {
    // A session that waits inside of pg_advisory_lock holds a snapshot, and a concurrent build waits for all of those.
    const { rows } = await client.query<{ pid: number; locked: boolean }>(
      `select pg_backend_pid() as pid, pg_try_advisory_lock(hashtextextended($1, 0)) as locked`,
      [`drayage after ${oid}`],
    );
    if (rows[0]!.locked) return rows[0]!.pid;
    await onWait();
    await pause(LOCK_EVERY_MS, signal);
    signal.throwIfAborted();
  }
}

interface Watch {
  pool: pg.Pool;
  pid: number;
  label: string;
  say: (phase: string) => Promise<void>;
}

/** Shows how far the statement is for as long as it runs. */
async function watched(watch: Watch, statement: () => Promise<unknown>): Promise<void> {
  const ended = new AbortController();
  const watching = follow(watch, ended.signal);
  try {
    await statement();
  } finally {
    ended.abort();
    await watching;
  }
}

async function follow({ pool, pid, label, say }: Watch, ended: AbortSignal): Promise<void> {
  await say(label);
  for (;;) {
    await pause(WATCH_EVERY_MS, ended);
    if (ended.aborted) return;
    const found = await buildProgress(pool, pid).catch(() => undefined);
    const percent = found && found.percent !== null ? `: ${found.percent} %` : '';
    if (!ended.aborted) await say(found ? `${label}${percent} (${found.phase})` : label);
  }
}

/** The server knows the name of an index under way only when it is built concurrently. */
function labelOf(statement: string): string {
  const index = indexName(statement);
  return index ? `building ${index}` : `running ${abbreviate(statement, 60)}`;
}

function failure(cause: unknown, table: string, { file }: AfterScript, statement: string): DrayageError {
  const { code, message, hint, transient } = databaseError(cause);
  return new DrayageError(code, `${file}: ${message}; in: ${abbreviate(statement)}`, {
    where: { table },
    ...(transient
      ? {}
      : { hint: hint ?? `Mend ${file} and run the job again; the statements before this one are done.` }),
    cause,
  });
}

function leftOpen(table: string, { file }: AfterScript): DrayageError {
  return new DrayageError('DATABASE_REFUSED', `${file}: a transaction is begun and not ended`, {
    where: { table },
    hint: 'Take begin out, or end with commit; the statements need no transaction.',
  });
}
