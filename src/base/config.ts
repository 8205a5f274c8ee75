import { resolve } from 'node:path';
import { memoryLimitMb, usualMemoryUse } from './admission.ts';
import { DrayageError } from './errors.ts';
import { didYouMean } from './suggest.ts';

/** Everything that the environment decides, parsed once and handed down frozen. */
export interface Config {
  /** Connection string of the control database; undefined means the embedded Postgres. */
  readonly databaseUrl: string | undefined;
  /** Connection string of the database whose tables are filled; undefined means the control database. */
  readonly targetUrl: string | undefined;
  /** Project root: where `jobs/` and `sql/targets/` are looked up and relative paths start. */
  readonly root: string;
  /** Folder of the embedded Postgres and of spool files. */
  readonly home: string;
  /** Partitions that one worker process loads at the same time. */
  readonly concurrency: number;
  /** DuckDB's memory limit for the whole process, in MB. */
  readonly duckdbMemoryMb: number;
  readonly duckdbThreads: number;
  /** What this process may use altogether, in MB. */
  readonly memoryLimitMb: number;
  /** What may lie on disk at a time for partitions that are open, in MB. */
  readonly spoolMb: number;
  /** Root of the lake that `dray query` and `dray lake` look into: a folder or `s3://bucket/prefix`. */
  readonly lake: string;
  /** Undefined leaves it to the command: workers tell more than the others. */
  readonly logLevel: LogLevel | undefined;
  /** A variable of the environment that a job names, so that a secret is in no job file and in no table. */
  readonly variable: (name: string) => string | undefined;
  readonly web: WebConfig;
}

/** How `dray serve` is reached, and what it lets people do. */
export interface WebConfig {
  readonly host: string;
  readonly port: number;
  /** What people and programs sign in with; undefined means that reading is free on the loopback. */
  readonly token: string | undefined;
  /** Header in which a reverse proxy names the user whom it has signed in. */
  readonly userHeader: string | undefined;
  /** Addresses and networks of proxies that are believed, as in `10.0.0.0/8`. */
  readonly proxies: readonly string[];
  readonly readOnly: boolean;
  /** Whether runs may be enqueued from the page. */
  readonly allowEnqueue: boolean;
}

export type LogLevel = (typeof LEVELS)[number];

const KNOWN = [
  'DRAYAGE_TARGET_URL',
  'DRAYAGE_HOME',
  'DRAYAGE_CONCURRENCY',
  'DRAYAGE_DUCKDB_MEMORY_MB',
  'DRAYAGE_DUCKDB_THREADS',
  'DRAYAGE_SPOOL_MB',
  'DRAYAGE_LAKE',
  'DRAYAGE_LOG_LEVEL',
  'DRAYAGE_WEB_HOST',
  'DRAYAGE_WEB_PORT',
  'DRAYAGE_WEB_TOKEN',
  'DRAYAGE_WEB_USER_HEADER',
  'DRAYAGE_WEB_PROXIES',
  'DRAYAGE_WEB_READ_ONLY',
  'DRAYAGE_WEB_ALLOW_ENQUEUE',
];
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/**
 * @param given usually `process.env`
 * @param root project root, an absolute path
 * @throws CONFIG_INVALID for an unknown DRAYAGE_ variable or a value out of range
 */
export function readConfig(given: NodeJS.ProcessEnv, root: string): Config {
  const env = Object.fromEntries(Object.entries(given).filter(([name, value]) => !isService(name, value)));
  for (const name of Object.keys(env)) {
    if (name.startsWith('DRAYAGE_') && !KNOWN.includes(name)) {
      throw new DrayageError('CONFIG_INVALID', `Unknown environment variable ${name}.${didYouMean(name, KNOWN)}`, {
        hint: `Known ones: ${KNOWN.join(', ')}.`,
      });
    }
  }
  const logLevel = env.DRAYAGE_LOG_LEVEL as LogLevel | undefined;
  if (logLevel !== undefined && !LEVELS.includes(logLevel)) {
    throw new DrayageError('CONFIG_INVALID', `DRAYAGE_LOG_LEVEL is "${logLevel}".`, {
      hint: `Use one of ${LEVELS.join(', ')}.`,
    });
  }
  const limitMb = memoryLimitMb(env);
  const usual = usualMemoryUse(limitMb);
  return Object.freeze({
    databaseUrl: env.DATABASE_URL || undefined,
    targetUrl: env.DRAYAGE_TARGET_URL || undefined,
    root,
    home: resolve(root, env.DRAYAGE_HOME ?? '.drayage'),
    concurrency: wholeNumber(env, 'DRAYAGE_CONCURRENCY', usual.concurrency, 1, 64),
    duckdbMemoryMb: wholeNumber(env, 'DRAYAGE_DUCKDB_MEMORY_MB', usual.duckdbMemoryMb, 32, 1_048_576),
    duckdbThreads: wholeNumber(env, 'DRAYAGE_DUCKDB_THREADS', 1, 1, 256),
    memoryLimitMb: limitMb,
    spoolMb: wholeNumber(env, 'DRAYAGE_SPOOL_MB', 10_000, 1, 1_000_000_000),
    lake: env.DRAYAGE_LAKE || 'lake',
    logLevel,
    variable: (name: string) => env[name] || undefined,
    web: readWebConfig(env),
  });
}

/**
 * Whether it is Kubernetes that says where a service called `drayage` or `drayage-…` is, in the variables of its own and in
 * those of Docker's links: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
function isService(name: string, value: string | undefined): boolean {
  if (/^DRAYAGE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/.test(name))
    return true;
  return /^DRAYAGE_(\w+_)?PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value ?? '');
}

function readWebConfig(env: NodeJS.ProcessEnv): WebConfig {
  // Platforms say in PORT where they expect a web process.
  const platformPort = wholeNumber(env, 'PORT', 8080, 0, 65_535);
  return Object.freeze({
    host: env.DRAYAGE_WEB_HOST || '127.0.0.1',
    port: wholeNumber(env, 'DRAYAGE_WEB_PORT', platformPort, 0, 65_535),
    token: env.DRAYAGE_WEB_TOKEN || undefined,
    userHeader: env.DRAYAGE_WEB_USER_HEADER?.toLowerCase() || undefined,
    proxies: (env.DRAYAGE_WEB_PROXIES ?? '').split(/[\s,]+/).filter(Boolean),
    readOnly: flag(env, 'DRAYAGE_WEB_READ_ONLY'),
    allowEnqueue: flag(env, 'DRAYAGE_WEB_ALLOW_ENQUEUE'),
  });
}

function flag(env: NodeJS.ProcessEnv, name: string): boolean {
  const text = (env[name] ?? '').toLowerCase();
  if (['', '0', 'false', 'no'].includes(text)) return false;
  if (['1', 'true', 'yes'].includes(text)) return true;
  throw new DrayageError('CONFIG_INVALID', `${name} is "${env[name]}".`, { hint: 'Give 1 or 0, or leave it out.' });
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, fallback: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new DrayageError('CONFIG_INVALID', `${name} is "${text}".`, {
    hint: `Give a whole number from ${least} to ${most}, or leave it out for ${fallback}.`,
  });
}
