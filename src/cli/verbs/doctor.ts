import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { EXIT, explain } from '../../base/errors.ts';
import { bytes, table } from '../format.ts';
import { type Invocation, type Verb, withServices } from '../verb.ts';

interface Finding {
  check: string;
  ok: boolean;
  /** What was found, and when it is not well, how to mend it. */
  found: string;
}

/** The oldest Postgres that is tested. */
const OLDEST_POSTGRES = 150_000;
const LEAST_DISK_BYTES = 1024 ** 3;

export const doctor: Verb = {
  usage: 'doctor',
  summary: 'check everything that a run needs; each line says how to mend it',
  example: 'dray doctor',
  async run(invocation) {
    const findings = [
      await checkFolder(invocation),
      ...(await checkDatabase(invocation)),
      await checkJobs(invocation),
      checkMemory(invocation),
    ];
    invocation.out.answer(findings, () =>
      table(findings, [
        { title: '', cell: ({ ok }) => (ok ? '✓' : '✗') },
        { title: 'check', cell: ({ check }) => check },
        { title: 'found', cell: ({ found }) => found },
      ]),
    );
    return findings.every(({ ok }) => ok) ? EXIT.done : EXIT.failures;
  },
};

async function checkFolder({ config }: Invocation): Promise<Finding> {
  const check = 'disk';
  try {
    await mkdir(config.home, { recursive: true });
    await access(config.home, constants.W_OK);
    const { bavail, bsize } = await statfs(config.home);
    const free = bavail * bsize;
    const ok = free >= LEAST_DISK_BYTES;
    return { check, ok, found: `${bytes(free)} free in ${config.home}${ok ? '' : '; make room, spilling needs some'}` };
  } catch (error) {
    return {
      check,
      ok: false,
      found: `${config.home} cannot be written: ${(error as Error).message}; set DRAYAGE_HOME`,
    };
  }
}

async function checkDatabase(invocation: Invocation): Promise<Finding[]> {
  try {
    return await withServices(invocation, { schema: false }, async (services) => {
      const { pendingSchema } = await import('../../runs/services.ts');
      const { rows } = await services.pool.query(
        `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
           has_database_privilege(current_database(), 'create') as creates, current_setting('max_connections')::int as connections,
           (select count(*) from pg_stat_activity) as used, coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls`,
      );
      const { version, number, creates, connections, used, tls } = rows[0];
      const pending = await pendingSchema(services);
      const kind = services.config.databaseUrl === undefined ? 'embedded' : tls ? 'with TLS' : 'without TLS';
      const known = number >= OLDEST_POSTGRES;
      return [
        { check: 'Postgres', ok: known, found: `${version}, ${kind}${known ? '' : '; version 15 or newer is needed'}` },
        {
          check: 'permissions',
          ok: creates,
          found: creates ? 'may create schemas' : 'may not create schemas: grant create on the database',
        },
        { check: 'connections', ok: connections - used >= 5, found: `${used} of ${connections} in use` },
        {
          check: 'schema',
          ok: pending.length === 0,
          found: pending.length === 0 ? 'up to date' : `${pending.length} scripts to apply; run "dray db up"`,
        },
      ];
    });
  } catch (error) {
    return [{ check: 'Postgres', ok: false, found: explain(error) }];
  }
}

async function checkJobs({ config }: Invocation): Promise<Finding> {
  const [{ jobNames }, { loadJob }] = await Promise.all([
    import('../../runs/job-names.ts'),
    import('../../runs/load-jobs.ts'),
  ]);
  const names = await jobNames(config.root);
  const problems = await Promise.all(names.map((name) => loadJob(config.root, name).then(() => '', explain)));
  const found = problems.filter(Boolean).join(' ') || `${names.length} in jobs/, all valid`;
  return { check: 'jobs', ok: !problems.some(Boolean), found };
}

function checkMemory({ config }: Invocation): Finding {
  const available = process.constrainedMemory() || totalmem();
  const limit = Math.min(available, totalmem());
  const wanted = config.duckdbMemoryMb * 1024 ** 2;
  const ok = wanted < limit / 2;
  const found = `${bytes(limit)}, of which DuckDB may use ${bytes(wanted)}${ok ? '' : '; lower DRAYAGE_DUCKDB_MEMORY_MB'}`;
  return { check: 'memory', ok, found };
}
