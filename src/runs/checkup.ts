import type pg from 'pg';
import { explain } from '../base/errors.ts';
import { deadLetters } from '../queue/depth.ts';
import { dynamoStore } from '../store/dynamodb.ts';
import { parseS3, s3Store } from '../store/s3.ts';
import { isApart, pendingSchema, type Services } from './services.ts';

/** What was looked at, how it is, and what mends it. */
export interface Finding {
  check: string;
  /** A problem keeps runs from working, a warning may; a note is good to know. */
  level: 'ok' | 'note' | 'warning' | 'problem';
  found: string;
  mend: string | null;
}

/** The oldest Postgres that is tested. */
const OLDEST_POSTGRES = 150_000;
const GIB = 1024 ** 3;
const LEAST_WAL_BYTES = GIB;
const MOST_RETAINED_WAL_BYTES = 10 * GIB;
/** Connections of a worker beside those that load: for claims and progress, and its heart's. */
const CONNECTIONS_BESIDE = 2;

interface Facts {
  pid: number;
  version: string;
  number: number;
  encoding: string;
  standby: boolean;
  read_only: boolean;
  tls: string | null;
  remote: boolean;
  role: string;
  creates: boolean;
  uses_schema: boolean;
  makes_tables: boolean;
  connections: number;
  used: number;
  role_limit: number;
  statement_timeout: string;
  idle_timeout: string;
  max_wal_bytes: number;
  autovacuum: boolean;
  retained_wal_bytes: number | null;
  vector: string | null;
  vector_available: boolean;
}

const FACTS = `
  select pg_backend_pid() as pid, current_setting('server_version') as version,
    current_setting('server_version_num')::int as number, current_setting('server_encoding') as encoding,
    pg_is_in_recovery() as standby, current_setting('default_transaction_read_only')::bool as read_only,
    (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl) as tls,
    coalesce(not inet_client_addr() <<= any('{127.0.0.0/8,::1/128}'::inet[]), false) as remote,
    current_user as role, has_database_privilege(current_database(), 'create') as creates,
    coalesce(has_schema_privilege(to_regnamespace('drayage'), 'create'), false) as uses_schema,
    coalesce(has_schema_privilege(to_regnamespace('public'), 'create'), false) as makes_tables,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as connections,
    (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
    (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
    current_setting('statement_timeout') as statement_timeout,
    current_setting('idle_in_transaction_session_timeout') as idle_timeout,
    pg_size_bytes(current_setting('max_wal_size')) as max_wal_bytes, current_setting('autovacuum')::bool as autovacuum,
    case when not pg_is_in_recovery() then
      (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::float8 from pg_replication_slots)
    end as retained_wal_bytes,
    (select extversion from pg_extension where extname = 'vector') as vector,
    exists (select from pg_available_extensions where name = 'vector') as vector_available`;

/** Looks at the databases as a worker would need them. */
export async function checkDatabases(services: Services): Promise<Finding[]> {
  const { pool, target } = services;
  const control = await checkDatabase(services, pool);
  if (!isApart(services)) return control;
  const apart = await checkDatabase(services, target);
  return [
    ...control,
    ...apart.map(({ check, level, found, mend }) => {
      return {
        check: `target: ${check}`,
        level,
        found,
        mend: mend?.replace('DATABASE_URL', 'DRAYAGE_TARGET_URL') ?? null,
      };
    }),
  ];
}

async function checkDatabase(services: Services, pool: pg.Pool): Promise<Finding[]> {
  const client = await pool.connect();
  try {
    const facts = (await client.query<Facts>(FACTS)).rows[0]!;
    // What a connection was told when it began differs from the server's own answer where a pooler is in between.
    const pooled = (client as unknown as { processID: number }).processID !== facts.pid;
    return [
      ...aboutServer(facts, pool === services.pool && services.config.databaseUrl === undefined),
      aboutPooler(pooled),
      aboutRights(facts),
      aboutConnections(facts, services.config.concurrency),
      aboutTimeouts(facts),
      aboutMaintenance(facts),
      aboutVector(facts),
    ];
  } finally {
    client.release();
  }
}

function aboutServer(facts: Facts, embedded: boolean): Finding[] {
  const { version, number, encoding, standby, read_only, tls, remote } = facts;
  const server = { check: 'Postgres', found: `${version}${embedded ? ', embedded' : ''}` };
  const findings = [
    number < OLDEST_POSTGRES
      ? problem(server.check, server.found, 'Postgres 15 or newer is needed: upgrade the server.')
      : ok(server.check, server.found),
  ];
  if (standby || read_only) {
    const mend = standby ? 'Let DATABASE_URL name the primary.' : 'Set default_transaction_read_only to off.';
    findings.push(problem('writable', standby ? 'the server is a standby' : 'transactions are read-only', mend));
  }
  if (encoding !== 'UTF8') {
    const mend = 'Make a database with encoding UTF8; texts of others cannot be taken over bit for bit.';
    findings.push(problem('encoding', encoding, mend));
  }
  if (tls) findings.push(ok('TLS', tls));
  else if (remote) {
    const mend =
      'Add ?sslmode=verify-full to DATABASE_URL, or sslmode=no-verify where the certificate cannot be checked.';
    findings.push(
      warning('TLS', 'none, and the server is on another host: passwords and rows travel in the clear', mend),
    );
  } else findings.push(ok('TLS', 'none, on this host'));
  return findings;
}

function aboutPooler(pooled: boolean): Finding {
  if (!pooled) return ok('sessions', 'direct');
  const mend = 'If it pools by transaction, use the URL of the server itself: the end of a run needs sessions.';
  return warning('sessions', 'there is a pooler in between', mend);
}

function aboutRights({ role, creates, uses_schema, makes_tables }: Facts): Finding {
  if (!creates && !uses_schema) {
    const mend = `As the owner of the database: grant create on database … to "${role}".`;
    return problem('permissions', `${role} may not create the schema drayage`, mend);
  }
  if (makes_tables) return ok('permissions', `${role} may create schemas and tables`);
  const mend = `For tables that Drayage makes: grant create on schema public to "${role}".`;
  return note('permissions', `${role} may not create tables in the schema public`, mend);
}

function aboutConnections({ connections, used, role_limit }: Facts, concurrency: number): Finding {
  const most = role_limit >= 0 ? Math.min(connections, role_limit) : connections;
  const found = `${used} of ${most} in use, and a worker needs ${concurrency + CONNECTIONS_BESIDE}`;
  if (most - used >= concurrency + CONNECTIONS_BESIDE) return ok('connections', found);
  return problem('connections', found, 'Lower DRAYAGE_CONCURRENCY, end other clients, or raise max_connections.');
}

function aboutTimeouts({ statement_timeout, idle_timeout, role }: Facts): Finding {
  const set = [
    ...(statement_timeout === '0' ? [] : [`statement_timeout = ${statement_timeout}`]),
    ...(idle_timeout === '0' ? [] : [`idle_in_transaction_session_timeout = ${idle_timeout}`]),
  ];
  if (set.length === 0) return ok('timeouts', 'none');
  const names = set.map((one) => `alter role "${role}" set ${one.split(' ')[0]} = 0`);
  return warning('timeouts', `${set.join(', ')}: a long load is cut short`, `${names.join('; ')}.`);
}

function aboutMaintenance({ autovacuum, max_wal_bytes, retained_wal_bytes }: Facts): Finding {
  if (!autovacuum) return warning('maintenance', 'autovacuum is off', 'alter system set autovacuum = on.');
  if ((retained_wal_bytes ?? 0) > MOST_RETAINED_WAL_BYTES) {
    const found = `a replication slot keeps ${gib(retained_wal_bytes!)} of WAL`;
    return warning(
      'maintenance',
      found,
      'Drop the slot or mend its consumer (pg_replication_slots), or the disk fills up.',
    );
  }
  if (max_wal_bytes < LEAST_WAL_BYTES) {
    const mend = `alter system set max_wal_size = '4GB': large loads then cause fewer checkpoints.`;
    return note('maintenance', `max_wal_size is ${gib(max_wal_bytes)}`, mend);
  }
  return ok('maintenance', `autovacuum is on, max_wal_size is ${gib(max_wal_bytes)}`);
}

function aboutVector({ vector, vector_available }: Facts): Finding {
  if (vector) return ok('pgvector', vector);
  const mend = vector_available
    ? 'For columns of type vector: create extension vector.'
    : 'For columns of type vector: install pgvector on the server. Without it, civic-reports uses arrays.';
  return note('pgvector', vector_available ? 'available, not installed' : 'not available', mend);
}

/** Looks at the control schema, the queue and the workers. */
export async function checkQueue(services: Services): Promise<Finding[]> {
  const pending = await pendingSchema(services);
  if (pending.length > 0) {
    const found = `${pending.length} ${pending.length === 1 ? 'script' : 'scripts'} to apply`;
    return [note('control schema', found, 'The next run applies them, and so does "dray db up".')];
  }
  return [ok('control schema', 'up to date'), ...(await aboutQueue(services.pool))];
}

async function aboutQueue(pool: pg.Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{
    waiting: number;
    running: number;
    alive: number;
    orphaned: number;
    paused: number;
  }>(
    `select coalesce(sum(partitions_pending), 0)::bigint as waiting, coalesce(sum(partitions_running), 0)::bigint as running,
       (select count(*) from drayage.worker_status where state in ('alive', 'draining')) as alive,
       (select coalesce(sum(partitions_running), 0)::bigint from drayage.worker_status where state in ('lost', 'stopped')) as orphaned,
       count(*) filter (where state = 'paused') as paused
     from drayage.runs where state in ('planning', 'queued', 'running', 'paused', 'finalizing')`,
  );
  const { waiting, running, alive, orphaned, paused } = rows[0]!;
  const found = `${waiting} partitions wait, ${running} run, ${alive} ${alive === 1 ? 'worker' : 'workers'}`;
  const findings: Finding[] = [];
  if (waiting + running > 0 && alive === 0) findings.push(warning('queue', found, '"dray work" starts a worker.'));
  else if (orphaned > 0) {
    const mend = 'The queue takes them away from it within half a minute, if another worker is there.';
    findings.push(warning('queue', `${found}; ${orphaned} belong to a worker that is gone`, mend));
  } else findings.push(ok('queue', found));
  if (paused > 0) {
    findings.push(
      note(
        'paused',
        `${paused} ${paused === 1 ? 'run' : 'runs'}`,
        '"dray status RUN" says why, "dray resume RUN" lets it go on.',
      ),
    );
  }
  const dead = await deadLetters(pool);
  if (dead > 0) {
    const mend = 'A worker takes them up and fails their partitions; look for lack of memory where workers died.';
    findings.push(warning('dead letters', `${dead} jobs whose workers died on every attempt`, mend));
  }
  return findings;
}

/** Lists a prefix and reads nothing. @param uri `s3://bucket/prefix` */
export async function checkS3(uri: string, signal: AbortSignal): Promise<Finding> {
  try {
    for await (const { key, size } of s3Store().list(parseS3(uri), signal)) {
      return ok('S3', `${uri} can be listed; the first object is ${key}, ${size} bytes`);
    }
    return note('S3', `${uri} can be listed, and nothing is in it`, 'Check the prefix.');
  } catch (error) {
    return problem('S3', `${uri} cannot be listed`, explain(error));
  }
}

/** Asks for a table's description, and reads nothing. */
export async function checkDynamoDb(table: string, signal: AbortSignal): Promise<Finding> {
  try {
    const { partitionKey } = await dynamoStore().describe(table, signal);
    return ok('DynamoDB', `${table} can be described; its partition key is ${partitionKey}`);
  } catch (error) {
    return problem('DynamoDB', `${table} cannot be described`, explain(error));
  }
}

export function ok(check: string, found: string): Finding {
  return { check, level: 'ok', found, mend: null };
}

export function note(check: string, found: string, mend: string): Finding {
  return { check, level: 'note', found, mend };
}

export function warning(check: string, found: string, mend: string): Finding {
  return { check, level: 'warning', found, mend };
}

export function problem(check: string, found: string, mend: string): Finding {
  return { check, level: 'problem', found, mend };
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
