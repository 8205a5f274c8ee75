import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../base/config.ts';
import { createEvents, type Events } from '../base/events.ts';
import { Closers } from '../base/lifecycle.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { joinEmbedded } from '../postgres/embedded.ts';
import { kyselyOn } from '../postgres/kysely.ts';
import { migrate, pendingMigrations } from '../postgres/migrate.ts';
import { assertReachable, createPool } from '../postgres/pool.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';

/** What every part of a run needs. */
export interface Services {
  config: Config;
  url: string;
  pool: pg.Pool;
  db: ControlDb;
  events: Events;
  /** Closed with everything else, in reverse order. */
  closers: Closers;
}

const CONTROL_SQL = join(import.meta.dirname, '../../sql');

/** The SQLSTATE of `raise warning`; notices have others. */
const RAISED = '01000';

/** Connections beside those that load: for claims and progress. A worker's heart has one more. */
const CONTROL_CONNECTIONS = 1;

/**
 * Connects to the database, starting the embedded one when none is configured.
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
  const pool = createPool(url, { max: Math.max(1, loads) + CONTROL_CONNECTIONS, applicationName: 'dray' });
  pool.on('connect', (client) => {
    client.on('notice', ({ code, message: warning }) => {
      if (code === RAISED && warning) events.emit('scriptWarned', { warning });
    });
  });
  closers.add(() => pool.end());
  try {
    await assertReachable(pool, url);
  } catch (error) {
    await closers.close();
    throw error;
  }
  return { config, url, pool, db: kyselyOn<ControlSchema>(pool), events, closers };
}

/** Brings the control schema up to date. @returns names of the scripts that were applied */
export function ensureSchema({ pool }: Pick<Services, 'pool'>): Promise<string[]> {
  return migrate(pool, CONTROL_SQL);
}

/** Names of the scripts that `ensureSchema` would apply. */
export function pendingSchema({ pool }: Pick<Services, 'pool'>): Promise<string[]> {
  return pendingMigrations(pool, CONTROL_SQL);
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
