import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../base/config.ts';
import { DrayageError } from '../base/errors.ts';
import { createEvents, type Events } from '../base/events.ts';
import { Closers } from '../base/lifecycle.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { identityOf } from '../control/identity.ts';
import type { Run } from '../control/runs.ts';
import { identityOfTarget } from '../ledger/apart-loads.ts';
import { joinEmbedded } from '../postgres/embedded.ts';
import { existsAlready } from '../postgres/errors.ts';
import { kyselyOn } from '../postgres/kysely.ts';
import { migrate, pendingMigrations } from '../postgres/migrate.ts';
import { assertReachable, createPool, isSameDatabase } from '../postgres/pool.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';

/** What every part of a run needs. */
export interface Services {
  config: Config;
  url: string;
  /** Connections to the control database. */
  pool: pg.Pool;
  targetUrl: string;
  /** Connections to the database whose tables are filled: `pool` itself, unless that is another one. */
  target: pg.Pool;
  db: ControlDb;
  /** How the control database is called in a target apart. */
  identity(): Promise<string>;
  /** How the target is called by the runs that fill it; null for the control database itself. */
  targetIdentity(): Promise<string | null>;
  events: Events;
  /** Closed with everything else, in reverse order. */
  closers: Closers;
}

const CONTROL_SQL = join(import.meta.dirname, '../../sql');
const LEDGER_SQL = join(CONTROL_SQL, 'ledger');
/** Tells the scripts of the ledger from those of a control schema in the same database. */
const LEDGER_PREFIX = 'ledger/';

/** The SQLSTATE of `raise warning`; notices have others. */
const RAISED = '01000';

/** Connections beside those that load: for claims and progress. A worker's heart has one more. */
const CONTROL_CONNECTIONS = 1;

/**
 * Connects to the databases, starting the embedded one when there is no other for control.
 * @param options.loads partitions that are loaded at the same time, each on a connection of its own
 * @param options.events subscribed to before anything happens
 * @throws DATABASE_UNREACHABLE
 */
export async function openServices(
  config: Config,
  { loads = 0, events = createEvents() }: { loads?: number; events?: Events } = {},
): Promise<Services> {
  const closers = new Closers();
  let url = config.databaseUrl;
  if (url === undefined) {
    const embedded = await joinEmbedded(config.home);
    closers.add(() => embedded.leave());
    url = embedded.url;
    if (embedded.started) events.emit('embeddedStarted', { url, recovered: embedded.recovered });
  }
  const open = async (at: string, variable?: string): Promise<pg.Pool> => {
    const pool = createPool(at, { max: Math.max(1, loads) + CONTROL_CONNECTIONS, applicationName: 'dray' });
    pool.on('connect', (client) => {
      client.on('notice', ({ code, message: warning }) => {
        if (code === RAISED && warning) events.emit('scriptWarned', { warning });
      });
    });
    closers.add(() => pool.end());
    await assertReachable(pool, at, variable);
    return pool;
  };
  try {
    const pool = await open(url);
    const db = kyselyOn<ControlSchema>(pool);
    const identity = onceKnown(() => identityOf(db));
    const here = { targetUrl: url, target: pool, targetIdentity: async () => null };
    const one = { config, url, pool, ...here, db, identity, events, closers };
    const { targetUrl } = config;
    if (targetUrl === undefined || targetUrl === url) return one;
    const target = await open(targetUrl, 'DRAYAGE_TARGET_URL');
    // Spelled in two ways: what one transaction can do needs no protocol.
    if (await isSameDatabase(pool, target)) return one;
    return { ...one, targetUrl, target, targetIdentity: onceKnown(() => identityOfTarget(target)) };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

/** Asks once, or again when that failed. */
function onceKnown<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let known: Promise<Answer> | undefined;
  return () => {
    const asked = known ?? ask();
    known = asked;
    asked.catch(() => {
      known = undefined;
    });
    return asked;
  };
}

/** A process that is set up otherwise would fill tables of the same names in another database. @throws CONFIG_INVALID */
export async function assertTarget(services: Services, run: Run): Promise<void> {
  if (run.target === (await services.targetIdentity())) return;
  throw new DrayageError('CONFIG_INVALID', `Run ${run.id} fills another database than this process does`, {
    where: { job: run.job, run: run.id },
    hint: 'Set DRAYAGE_TARGET_URL as it was for "dray enqueue", in all processes; "dray retry" takes up what has failed.',
  });
}

/** Whether the tables are in another database than what is known of runs. */
export function isApart({ pool, target }: Pick<Services, 'pool' | 'target'>): boolean {
  return pool !== target;
}

/**
 * Runs `work` where the tables are: in the caller's transaction on the control database when that is there, and
 * otherwise in one of its own, which commits before the caller's does.
 */
export function onTarget<Result>(
  services: Pick<Services, 'pool' | 'target'>,
  client: pg.PoolClient,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return isApart(services) ? transaction(services.target, work) : work(client);
}

/** Brings the control schema up to date, and the ledger of a target apart. @returns names of the scripts that were applied */
export async function ensureSchema(services: Pick<Services, 'pool' | 'target'>): Promise<string[]> {
  const { pool, target } = services;
  const applied = await migrate(pool, CONTROL_SQL).catch((error) => {
    throw existsAlready(error.cause) ? isTarget(error) : error;
  });
  return isApart(services) ? [...applied, ...(await migrate(target, LEDGER_SQL, LEDGER_PREFIX))] : applied;
}

function isTarget(cause: unknown): DrayageError {
  return new DrayageError('DATABASE_REFUSED', 'DATABASE_URL names a database that is the target of another one', {
    hint: 'Let DATABASE_URL name the control database as before, or an empty one, and DRAYAGE_TARGET_URL this one.',
    cause,
  });
}

/** Names of the scripts that `ensureSchema` would apply. */
export async function pendingSchema(services: Pick<Services, 'pool' | 'target'>): Promise<string[]> {
  const { pool, target } = services;
  const pending = await pendingMigrations(pool, CONTROL_SQL);
  return isApart(services) ? [...pending, ...(await pendingMigrations(target, LEDGER_SQL, LEDGER_PREFIX))] : pending;
}

/** Starts the queue on a database whose schema is up to date; stopped when the services close. */
export async function openQueue(services: Services, { supervise }: { supervise: boolean }): Promise<Boss> {
  // Loaded here, since most commands need no queue.
  const { ensureQueues, startBoss } = await import('../queue/boss.ts');
  // Installing pg-boss and making queues is not safe when several begin at once on a fresh database.
  return transaction(services.pool, async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('drayage queue', 0))`);
    const boss = await startBoss(services.pool, services.events, { supervise });
    services.closers.add(() => boss.stop({ graceful: false, close: false }));
    await ensureQueues(boss);
    return boss;
  });
}
