import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { styleText } from 'node:util';
import { memoryNeededMb } from '../../base/admission.ts';
import { EXIT, explain } from '../../base/errors.ts';
import type { Finding } from '../../runs/checkup.ts';
import { bytes, plural, table } from '../format.ts';
import { type Invocation, type Verb, withServices } from '../verb.ts';

const LEAST_DISK_BYTES = 1024 ** 3;

const MARKS = { ok: '✓', note: '·', warning: '!', problem: '✗' } as const;
const COLOURS = { ok: 'green', note: 'dim', warning: 'yellow', problem: 'red' } as const;

export const doctor: Verb = {
  usage: 'doctor',
  summary: 'check everything that a run needs; each line says how to mend it',
  options: [
    ['--s3 <uri>', 'also try to list s3://bucket/prefix'],
    ['--dynamodb <table>', 'also try to describe a table of DynamoDB'],
  ],
  example: 'dray doctor --s3 s3://exports/orders/',
  async run(invocation) {
    const { options, out, signal } = invocation;
    const { checkS3, checkDynamoDb } = await import('../../runs/checkup.ts');
    const findings = [
      await checkFolder(invocation),
      checkMemory(invocation),
      ...(await checkJobs(invocation)),
      ...(await checkServices(invocation)),
      options.s3 === undefined ? credentials() : await checkS3(String(options.s3), signal),
      ...(options.dynamodb === undefined ? [] : [await checkDynamoDb(String(options.dynamodb), signal)]),
    ];
    const isWell = findings.every(({ level }) => level !== 'problem');
    const document = findings.map((finding) => ({ ...finding, ok: finding.level !== 'problem' }));
    out.answer(document, () => describe(findings));
    return isWell ? EXIT.done : EXIT.failures;
  },
};

async function checkFolder({ config: { home } }: Invocation): Promise<Finding> {
  const check = 'disk';
  try {
    await mkdir(home, { recursive: true });
    await access(home, constants.W_OK);
    const { bavail, bsize } = await statfs(home);
    const free = bavail * bsize;
    const found = `${bytes(free)} free in ${home}`;
    if (free >= LEAST_DISK_BYTES) return { check, level: 'ok', found, mend: null };
    const mend =
      'Make room, or let DRAYAGE_HOME name another place: files from S3 and what does not fit into memory lie there.';
    return { check, level: 'problem', found, mend };
  } catch (error) {
    const found = `${home} cannot be written: ${(error as Error).message}`;
    return { check, level: 'problem', found, mend: 'Let DRAYAGE_HOME name a folder that can.' };
  }
}

function checkMemory({ config }: Invocation): Finding {
  const check = 'memory';
  const [limit, needed] = [config.memoryLimitMb, memoryNeededMb(config)].map((mb) => bytes(mb * 2 ** 20));
  const found = `${limit}, of which a worker may take about ${needed}`;
  if (memoryNeededMb(config) <= config.memoryLimitMb) return { check, level: 'ok', found, mend: null };
  return { check, level: 'problem', found, mend: 'Lower DRAYAGE_DUCKDB_MEMORY_MB or DRAYAGE_CONCURRENCY.' };
}

async function checkJobs({ config }: Invocation): Promise<Finding[]> {
  const check = 'jobs';
  const [{ jobNames }, { loadJob }] = await Promise.all([
    import('../../runs/job-names.ts'),
    import('../../runs/load-jobs.ts'),
  ]);
  const names = await jobNames(config.root);
  if (names.length === 0) {
    return [{ check, level: 'note', found: `none in ${config.root}`, mend: '"dray init" writes one.' }];
  }
  const problems = await Promise.all(
    names.map((name) =>
      loadJob(config.root, name).then(
        () => undefined,
        (error) => ({ name, error }),
      ),
    ),
  );
  const broken = problems.flatMap((one): Finding[] => {
    return one ? [{ check, level: 'problem', found: `${one.name} cannot be used`, mend: explain(one.error) }] : [];
  });
  const valid = names.length - broken.length;
  return [{ check, level: 'ok', found: `${valid} of ${names.length} in jobs/ are valid`, mend: null }, ...broken];
}

async function checkServices(invocation: Invocation): Promise<Finding[]> {
  const failed = (check: string, found: string) => (error: unknown) => {
    return [{ check, level: 'problem', found, mend: explain(error) }] satisfies Finding[];
  };
  return withServices(invocation, { schema: false }, async (services) => {
    const { checkDatabases, checkQueue } = await import('../../runs/checkup.ts');
    return [
      ...(await checkDatabases(services)),
      ...(await checkQueue(services).catch(failed('control schema', 'it cannot be read'))),
    ];
  }).catch(failed('Postgres', 'no connection can be had'));
}

/** Whether there is anything to reach S3 and DynamoDB with; nothing is asked of them. */
function credentials(): Finding {
  const { AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI } = process.env;
  const named = AWS_ACCESS_KEY_ID ?? AWS_PROFILE ?? AWS_ROLE_ARN ?? AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const found = named ? 'credentials are set, access was not tried' : 'no credentials in the environment';
  const mend = 'For S3 and DynamoDB: "dray doctor --s3 s3://bucket/prefix --dynamodb TABLE" tries access.';
  return { check: 'AWS', level: 'note', found, mend };
}

function describe(findings: readonly Finding[]): string {
  const list = table(findings, [
    { title: '', cell: ({ level }) => MARKS[level], style: (text, { level }) => styleText(COLOURS[level], text) },
    { title: 'check', cell: ({ check }) => check },
    { title: 'found', cell: ({ found }) => found },
  ]);
  const mends = findings.flatMap(({ check, mend }) => (mend === null ? [] : [`  ${check}: ${mend}`]));
  const problems = findings.filter(({ level }) => level === 'problem').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  const verdict =
    problems + warnings === 0 ? 'Ready to run.' : `${plural(problems, 'problem')}, ${plural(warnings, 'warning')}.`;
  return [list, ...(mends.length > 0 ? ['', 'What to do:', ...mends] : []), '', verdict].join('\n');
}
