import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import lockfile from 'proper-lockfile';
import { DrayageError } from '../base/errors.ts';
import { type Placement, placeServer } from './embedded-place.ts';
import { codeOf } from './errors.ts';
import { connectClient } from './pool.ts';

const USER = 'postgres';
const DATABASE = 'drayage';
/** What the connection is called that tells of a process. */
const PRESENCE = 'dray presence';
const WAIT_MS = 30_000;

export interface Embedded {
  url: string;
  /** Started by this call, rather than found running. */
  started: boolean;
  /** There was a server before, and it had not been shut down. */
  recovered: boolean;
  /** Gives up this process's presence; the last one to leave shuts the server down. */
  leave(): Promise<void>;
}

/**
 * Joins the Postgres that all `dray` processes of a project share, starting it when it is not running. Who is there is
 * told by the connections themselves: every process keeps one open, and it ends with the process however that dies.
 * @param home folder of the project's state; the server's data lies in it
 */
export async function joinEmbedded(home: string): Promise<Embedded> {
  await mkdir(home, { recursive: true });
  const unlock = await lock(home);
  try {
    const place = await placeServer(home);
    const { started, recovered } = await ensureRunning(place);
    const url = await urlOf(place);
    const presence = await connectClient(url, PRESENCE);
    return { url, started, recovered, leave: () => leave(home, place, presence) };
  } finally {
    await unlock();
  }
}

/**
 * TCP on the loopback rather than a Unix socket: the kernel keeps megabytes for it instead of 200 kB, so the server is
 * not left waiting while the next rows are being encoded. That is worth a sixth of the time of a load.
 */
async function urlOf(place: Placement, database = DATABASE): Promise<string> {
  const port = (await pidFile(place))?.port;
  const password = (await readFile(place.passwordFile, 'utf8')).trim();
  return `postgresql://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

/** One process at a time decides about starting and stopping. */
function lock(home: string): Promise<() => Promise<void>> {
  return lockfile.lock(home, {
    lockfilePath: join(home, 'postgres.lock'),
    stale: 10_000,
    retries: { retries: 600, minTimeout: 50, maxTimeout: 100 },
  });
}

async function ensureRunning(place: Placement): Promise<{ started: boolean; recovered: boolean }> {
  const pid = (await pidFile(place))?.pid;
  if (pid !== undefined && isAlive(pid) && (await answers(place))) return { started: false, recovered: false };
  if (!existsSync(join(place.dataFolder, 'PG_VERSION'))) await initialise(place);
  await start(place);
  return { started: true, recovered: pid !== undefined };
}

async function initialise(place: Placement): Promise<void> {
  await writeFile(place.passwordFile, randomBytes(16).toString('hex'), { mode: 0o600 });
  const { uid, gid } = place.identity;
  if (uid !== undefined && gid !== undefined) await chown(place.passwordFile, uid, gid);
  const access = ['-U', USER, '-A', 'scram-sha-256', `--pwfile=${place.passwordFile}`];
  const args = ['-D', place.dataFolder, ...access, '-E', 'UTF8', '--no-sync', '--no-instructions'];
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const child = spawn(place.binaries.initdb, [...args, ...locale], { ...place.identity, stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw startFailure(`initdb ended with ${code}: ${output.trim().split('\n').at(-1)}`);
}

async function start(place: Placement): Promise<void> {
  const log = await open(place.logFile, 'a');
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(await freePort()),
    unix_socket_directories: '',
    max_connections: '100',
    shared_buffers: '256MB',
    max_wal_size: '4GB',
    wal_level: 'minimal',
    max_wal_senders: '0',
    log_min_messages: 'warning',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // Detached: Ctrl-C on the terminal must reach dray alone, and the server outlives the process that started it.
  const child = spawn(place.binaries.postgres, ['-D', place.dataFolder, ...args], {
    ...place.identity,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  let ended = false;
  child.on('error', () => (ended = true)).on('exit', () => (ended = true));
  child.unref();
  await log.close();
  await waitFor(async () => {
    if (ended) throw startFailure(await lastLines(place.logFile));
    return answers(place);
  });
}

/** Whether the server takes connections; the database is made when it is not there yet. */
async function answers(place: Placement): Promise<boolean> {
  try {
    await (await connectClient(await urlOf(place), 'dray probe')).end();
    return true;
  } catch (error) {
    if (codeOf((error as Error).cause) !== '3D000') return false;
  }
  const client = await connectClient(await urlOf(place, 'postgres'), 'dray setup');
  await client.query(`create database ${DATABASE}`);
  await client.end();
  return true;
}

async function leave(home: string, place: Placement, presence: pg.Client): Promise<void> {
  const unlock = await lock(home);
  try {
    // The name goes at once; the connection is seen for a moment after it was ended.
    const { rows } = await presence
      .query(`set application_name = 'dray leaving'`)
      .then(() =>
        presence.query('select count(*)::int as others from pg_stat_activity where application_name = $1', [PRESENCE]),
      )
      .catch(() => ({ rows: [{ others: 1 }] }));
    await presence.end().catch(() => undefined);
    const pid = (await pidFile(place))?.pid;
    if (rows[0].others > 0 || pid === undefined || !isAlive(pid)) return;
    process.kill(pid, 'SIGINT');
    await waitFor(async () => (await pidFile(place)) === undefined);
  } finally {
    await unlock();
  }
}

/** What the server says of itself: its process, and in the fourth line its port (`miscinit.c`). */
async function pidFile(place: Placement): Promise<{ pid: number; port: number } | undefined> {
  const text = await readFile(join(place.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid, , , port] = text.split('\n').map(Number);
  return pid ? { pid, port: port ?? 0 } : undefined;
}

/** A port that nobody uses at this moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw startFailure(`no answer within ${WAIT_MS / 1000} seconds`);
    await sleep(20);
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join('; ') || 'it ended without a word';
}

function startFailure(message: string): DrayageError {
  return new DrayageError('DATABASE_UNREACHABLE', `The embedded Postgres does not start: ${message}`, {
    hint: 'Remove the .drayage folder to begin anew, or set DATABASE_URL to a Postgres of your own.',
  });
}
