import type { ClientBase, Pool, PoolClient } from 'pg';
import { EXIT, explain } from '../../base/errors.ts';
import type { PartitionPlan, SourceContext } from '../../model/source.ts';
import type { ColumnMapping } from '../../runs/column-mapping.ts';
import type { PreparedJob } from '../../runs/prepare.ts';
import type { Forecast } from '../../runs/sample.ts';
import type { Services } from '../../runs/services.ts';
import { describeForecast } from '../forecast.ts';
import { bytes, count, plural, table } from '../format.ts';
import { type Invocation, PARAM_OPTION, type Verb, wholeNumber, withServices } from '../verb.ts';
import { prepare } from './enqueue.ts';

interface PlannedPartition {
  partition: string;
  rows: number | null;
  bytes: number | null;
  loaded: boolean;
  problem: string | null;
}

interface Plan {
  job: string;
  source: string;
  /** Where the source is a database: how far one snapshot of it reaches. */
  snapshot?: 'run' | 'partition';
  targets: { table: string; exists: boolean; mode: string }[];
  partitions: PlannedPartition[];
  mappings: ColumnMapping[][];
  /** What may become of rows that nobody expects. */
  warnings: string[];
  /** With --sample: what loading some partitions for a try has told. */
  sample?: Forecast;
}

const PARTITIONS_SHOWN = 30;

export const plan: Verb = {
  usage: 'plan <job>',
  summary: 'show partitions, rows, bytes, targets and type mapping, touching nothing',
  options: [
    [...PARAM_OPTION],
    ['--sample <n>', 'load so many partitions for a try, roll that back, and predict time, rejects and size'],
    ['--ddl', "print the statements that would create the tables from the source's columns"],
  ],
  example: 'dray plan legal-samples --param path=data/legal',
  async run(invocation) {
    const { options, out } = invocation;
    if (options.ddl === true) {
      const statements = await planning(invocation, ({ ddlOf }, { target }, prepared, context) =>
        ddlOf(asClient(target), prepared, context),
      );
      out.answer({ statements }, () => statements.map((statement) => `${statement};`).join('\n\n'));
      return EXIT.done;
    }
    const sample = options.sample === undefined ? 0 : wholeNumber(options.sample, '--sample');
    const found = await planning(invocation, (...given) => planned(...given, sample));
    out.answer(found, () => describe(found, invocation.config.concurrency));
    if (found.partitions.every(({ problem }) => problem)) return EXIT.usage;
    const failing = [...found.partitions, ...(found.sample?.tried ?? [])].some(({ problem }) => problem);
    return failing ? EXIT.failures : EXIT.done;
  },
};

type Planning = typeof import('../../runs/routes.ts') &
  typeof import('../../runs/plan.ts') &
  typeof import('../../runs/lake/open.ts');

const asClient = (pool: Pool) => pool as unknown as ClientBase;

async function planning<Result>(
  invocation: Invocation,
  use: (modules: Planning, services: Services, prepared: PreparedJob, context: SourceContext) => Promise<Result>,
): Promise<Result> {
  const prepared = await prepare(invocation);
  const modules = {
    ...(await import('../../runs/routes.ts')),
    ...(await import('../../runs/plan.ts')),
    ...(await import('../../runs/lake/open.ts')),
  };
  return withServices(invocation, {}, (services) =>
    modules.withSourceContext(services, invocation.signal, (context) => use(modules, services, prepared, context)),
  );
}

/** Tables are made to look at them, and are gone again before the source is read, so that nobody waits for a plan. */
async function rolledBack<Result>(pool: Pool, use: (client: PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    return await use(client);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

async function planned(
  { inspectSource, prepareRoutes, Planner, openLake }: Planning,
  services: Services,
  prepared: PreparedJob,
  context: SourceContext,
  sample: number,
): Promise<Plan> {
  const { pool, target } = services;
  const columnsOf = await inspectSource(asClient(target), prepared, context);
  const routes = await rolledBack(target, (client) =>
    prepareRoutes(client, prepared, { root: context.root, columnsOf, touch: false }),
  );
  const lake = prepared.lake && (await openLake(services, prepared.lake, { touch: false, signal: context.signal }));
  const planner = new Planner(prepared, routes, context, lake);
  const partitions: (PlannedPartition & { fingerprint: string })[] = [];
  const plans: PartitionPlan[] = [];
  for await (const plan of planner.partitions()) {
    const { key, rows, bytes: size, problem, fingerprint } = plan;
    if (sample > 0 && !problem) plans.push(plan);
    const why = problem ? explain(problem) : null;
    partitions.push({ partition: key, rows, bytes: size, loaded: false, problem: why, fingerprint });
  }
  const { tableLedger } = await import('../../ledger/loads.ts');
  const ledger = lake?.ledger ?? tableLedger(routes.map((route) => route.table));
  const fingerprints = partitions.map(({ fingerprint }) => fingerprint);
  const there = await ledger.find(lake ? pool : target, fingerprints);
  const open = plans.filter(({ fingerprint }) => !there.has(fingerprint));
  const { trySample } = await import('../../runs/sample.ts');
  const tried = sample > 0 && (await trySample(services, prepared, open, sample, context));
  const datasets = (prepared.lake?.datasets ?? []).map(({ dataset }) => {
    return { table: `${lake!.root}/${dataset}`, exists: lake!.id !== undefined, mode: 'lake' };
  });
  const tables = routes.map(({ table: { sql }, target: { mode }, created }) => ({
    table: sql,
    exists: !created,
    mode,
  }));
  return {
    job: prepared.job.name,
    source: prepared.source.description,
    ...(prepared.source.snapshot ? { snapshot: prepared.source.snapshot } : {}),
    targets: [...tables, ...datasets],
    partitions: partitions.map(({ fingerprint, ...rest }) => ({ ...rest, loaded: there.has(fingerprint) })),
    mappings: planner.mappings(),
    warnings: planner.warnings(),
    ...(tried ? { sample: tried } : {}),
  };
}

/** What partitions of a database see of what is written to it meanwhile. */
const MOMENTS = {
  run: '"dray run" reads them all at one moment; until then the table can be neither altered nor truncated. "dray enqueue": each at its own.',
  partition: 'Each is read at a moment of its own.',
};

function describe(
  { job, source, snapshot, targets, partitions, mappings, warnings, sample }: Plan,
  concurrency: number,
): string {
  const rows = partitions.reduce((sum, partition) => sum + (partition.rows ?? 0), 0);
  const size = partitions.reduce((sum, partition) => sum + (partition.bytes ?? 0), 0);
  const unknown = partitions.some((partition) => partition.rows === null) ? ' at least' : '';
  const into = targets.map(({ table: name, mode, exists }) => `${name} (${mode}${exists ? '' : ', to be created'})`);
  const parts = [
    `Job ${job}: ${source} → ${into.join(', ')}`,
    `${plural(partitions.length, 'partition')}, ${plural(rows, 'row')}${unknown}, ${bytes(size)}`,
    table(partitions.slice(0, PARTITIONS_SHOWN), [
      { title: 'partition', cell: ({ partition }) => partition },
      { title: 'rows', cell: (partition) => (partition.rows === null ? '?' : count(partition.rows)), right: true },
      { title: 'size', cell: (partition) => (partition.bytes === null ? '?' : bytes(partition.bytes)), right: true },
      { title: 'state', cell: ({ loaded, problem }) => problem ?? (loaded ? 'loaded already' : 'to load') },
    ]),
  ];
  if (partitions.length > PARTITIONS_SHOWN) parts.push(`… and ${count(partitions.length - PARTITIONS_SHOWN)} more`);
  if (snapshot && partitions.length > 1) parts.push(MOMENTS[snapshot]);
  for (const mapping of mappings) {
    parts.push(
      table(mapping, [
        ...(targets.length > 1 ? [{ title: 'table', cell: ({ table: name }: ColumnMapping) => name }] : []),
        { title: 'column', cell: ({ column }) => column },
        { title: 'DuckDB', cell: ({ duckdb }) => duckdb },
        { title: 'Arrow', cell: ({ arrow }) => arrow },
        { title: 'Postgres', cell: ({ postgres }) => postgres },
        ...(mapping.some(({ note }) => note) ? [{ title: '', cell: ({ note }: ColumnMapping) => note }] : []),
      ]),
    );
  }
  parts.push(...warnings.map((warning) => `Warning: ${warning}`));
  if (sample) parts.push(describeForecast(sample, concurrency));
  const next = sample
    ? `"dray run ${job}" loads it.`
    : `"dray plan ${job} --sample 3" tries some of it, "dray run ${job}" loads it.`;
  return [...parts, next].join('\n\n');
}
