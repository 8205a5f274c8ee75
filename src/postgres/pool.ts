import pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { connectionError } from './errors.ts';

export type { ClientBase, Pool, PoolClient } from 'pg';

/** 64-bit integers as numbers: what the control schema counts stays far below 2^53. */
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === 20 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig;

/**
 * A server, or a proxy before it, may accept a connection and say nothing; and one that is silent is asked from time to
 * time whether it is there, for which the system's default would be two hours.
 */
const ALIVE = { connectionTimeoutMillis: 10_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;

export interface PoolOptions {
  max: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
}

/** @param url any form that node-postgres takes, its TLS parameters included */
export function createPool(url: string, { max, applicationName }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    ...ALIVE,
    types,
  });
  // A connection that dies fails what is asked on it, and is replaced at the next use; without listeners, for those in
  // use as for idle ones, it would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  pool.on('error', () => undefined);
  return pool;
}

/** A single connection, for LISTEN and for presence. */
export async function connectClient(url: string, applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName, ...ALIVE, types });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw connectionError(error, serverOf(url));
  }
  return client;
}

/** What node-postgres knows of a connection, and its types do not say. */
interface Insides {
  host: string;
  port: number;
  processID: number;
  secretKey: unknown;
  connection: { stream: { destroy(): void } };
}

interface Messenger {
  on(event: 'connect' | 'error', listener: () => void): void;
  connect(port: number, host: string): void;
  cancel(processID: number, secretKey: unknown): void;
}

/**
 * Cuts a connection, and asks the server over another one to end the statement that was under way: by itself it would
 * notice when it next has something to send.
 */
export function cutConnection(client: pg.Client): void {
  const { host, port, processID, secretKey, connection } = client as unknown as Insides;
  const messenger = new pg.Connection() as unknown as Messenger;
  messenger.on('error', () => undefined);
  messenger.on('connect', () => messenger.cancel(processID, secretKey));
  messenger.connect(port, host);
  connection.stream.destroy();
}

/**
 * @param variable of the environment that names the database
 * @throws DATABASE_UNREACHABLE when no connection can be had
 */
export async function assertReachable(pool: pg.Pool, url: string, variable?: string): Promise<void> {
  try {
    (await pool.connect()).release();
  } catch (error) {
    throw connectionError(error, serverOf(url, variable), variable);
  }
}

/** Whether both lead to the same database of the same server, as the same user. */
export async function isSameDatabase(one: pg.Pool, other: pg.Pool): Promise<boolean> {
  const [mine, theirs] = await Promise.all(
    [one, other].map((pool) =>
      pool.query<{ identity: string }>(
        `select concat_ws(' ', oid, current_user, extract(epoch from pg_postmaster_start_time())) as identity
         from pg_database where datname = current_database()`,
      ),
    ),
  );
  return mine!.rows[0]!.identity === theirs!.rows[0]!.identity;
}

/** Host, port and database of a connection string, fit for a message. */
export function serverOf(url: string, variable = 'DATABASE_URL'): string {
  try {
    const parsed = new URL(url);
    const host = parsed.searchParams.get('host') ?? parsed.hostname;
    return `${host}${parsed.port ? `:${parsed.port}` : ''}${parsed.pathname}`;
  } catch {
    throw new DrayageError('CONFIG_INVALID', `${variable} is not a connection string`, {
      hint: 'It looks like postgresql://user:password@host:5432/database?sslmode=require.',
    });
  }
}

/** For statements that are quick by nature. */
const SHORT_MS = 30_000;

/** A statement that takes no time: when its answer does not come, it fails, and so does its connection. */
export function brief(text: string, values: readonly unknown[] = []): pg.QueryConfig {
  return { text, values: [...values], query_timeout: SHORT_MS } as pg.QueryConfig;
}

/** As much of a pool as takes statements, and Kysely needs. */
export interface Asking {
  query(text: string, values?: readonly unknown[]): Promise<pg.QueryResult>;
  connect(): Promise<Pick<Asking, 'query'> & { release(): void }>;
  end(): Promise<void>;
}

/**
 * The same pool for statements that take no time: one whose answer does not come fails, and its connection is given up,
 * since the other end may be gone without a word. Transactions take the pool itself.
 */
export function impatient(pool: pg.Pool): Asking {
  return {
    query: (text, values) => pool.query(brief(text, values)),
    connect: async () => {
      const client = await pool.connect();
      let broken = false;
      return {
        query: (text, values) =>
          client.query(brief(text, values)).catch((error) => {
            broken = true;
            throw error;
          }),
        release: () => client.release(broken),
      };
    },
    end: () => pool.end(),
  };
}
