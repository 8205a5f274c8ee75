import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { FastifyBaseLogger } from 'fastify';
import { DrayageError, explain } from '../base/errors.ts';
import { connectClient, serverOf } from '../postgres/pool.ts';
import type { Boss } from '../queue/boss.ts';
import { openQueue, type Services } from '../runs/services.ts';
import { Guard } from './guard.ts';
import { Live } from './live.ts';
import { Memo } from './memo.ts';
import { createServer } from './server.ts';
import type { Settings } from './settings.ts';
import { Verifications } from './verifications.ts';
import type { Web } from './web.ts';

const VERSION: string = createRequire(import.meta.url)('../../package.json').version;

export interface Serving {
  /** Where people find it. */
  url: string;
  close(): Promise<void>;
}

/** @throws CONFIG_INVALID when the address cannot be listened at */
export async function startServing(services: Services, settings: Settings, log: FastifyBaseLogger): Promise<Serving> {
  const live = new Live(services.db, () => connectClient(services.url, 'dray listen'));
  const verifications = new Verifications(services, (run, error) => {
    log.error({ run, error: explain(error) }, 'verification failed');
  });
  let boss: Promise<Boss> | undefined;
  const stop = new AbortController();
  const web: Web = {
    services,
    settings,
    guard: new Guard(settings),
    live,
    memo: new Memo(),
    verifications,
    stopping: stop.signal,
    queue: () => {
      boss ??= openQueue(services, { supervise: false });
      return boss;
    },
    database: services.config.databaseUrl === undefined ? 'embedded Postgres' : serverOf(services.url),
    version: VERSION,
  };
  const app = await createServer(web, log);
  const close = async () => {
    stop.abort(new DrayageError('INTERRUPTED', 'The server was stopped'));
    await app.close();
    await live.close();
    await verifications.close();
  };
  const { host, port } = settings;
  try {
    await app.listen({ host, port });
  } catch (error) {
    await close();
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL' && code !== 'ENOTFOUND') throw error;
    const why = {
      EADDRINUSE: 'is taken',
      EACCES: 'may not be used',
      EADDRNOTAVAIL: 'is not here',
      ENOTFOUND: 'is not known',
    };
    throw new DrayageError('CONFIG_INVALID', `The address ${host}:${port} ${why[code]}`, {
      hint: 'Choose another with --port and --host, or 0 for any free port.',
    });
  }
  const { port: actual } = app.server.address() as { port: number };
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { url: `http://${name}:${actual}/`, close };
}

/** Serves until the signal comes. @param started is told the address */
export async function serve(
  services: Services,
  settings: Settings,
  log: FastifyBaseLogger,
  signal: AbortSignal,
  started: (url: string) => void,
): Promise<void> {
  const serving = await startServing(services, settings, log);
  try {
    started(serving.url);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await serving.close();
  }
}
