import { EXIT, explain } from '../../base/errors.ts';
import type { ColumnMapping } from '../../runs/plan.ts';
import { bytes, count, plural, table } from '../format.ts';
import { PARAM_OPTION, type Verb, withServices } from '../verb.ts';
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
  target: string;
  target_exists: boolean;
  mode: string;
  partitions: PlannedPartition[];
  mappings: ColumnMapping[][];
}

const PARTITIONS_SHOWN = 30;

export const plan: Verb = {
  usage: 'plan <job>',
  summary: 'show partitions, rows, bytes, target and type mapping, touching nothing',
  options: [[...PARAM_OPTION]],
  example: 'dray plan legal-samples --param path=data/legal',
  async run(invocation) {
    const { config, out, signal } = invocation;
    const prepared = await prepare(invocation);
    const [planning, { findLoads }] = await Promise.all([
      import('../../runs/plan.ts'),
      import('../../ledger/loads.ts'),
    ]);
    const found = await withServices(invocation, {}, ({ pool }) =>
      planning.withSourceContext(config, signal, async (context): Promise<Plan> => {
        const client = await pool.connect();
        try {
          // The table is made to look at it, and gone with the transaction.
          await client.query('begin');
          const { table: target, created } = await planning.prepareTable(client, prepared, config.root);
          const planner = new planning.Planner(prepared, target, context);
          const partitions: (PlannedPartition & { fingerprint: string })[] = [];
          for await (const { key, rows, bytes: size, problem, fingerprint } of planner.partitions()) {
            const why = problem ? explain(problem) : null;
            partitions.push({ partition: key, rows, bytes: size, loaded: false, problem: why, fingerprint });
          }
          const there = await findLoads(
            client,
            partitions.map(({ fingerprint }) => fingerprint),
            [target.oid],
          );
          return {
            job: prepared.job.name,
            source: prepared.source.description,
            target: target.sql,
            target_exists: !created,
            mode: prepared.target.mode,
            partitions: partitions.map(({ fingerprint, ...rest }) => ({ ...rest, loaded: there.has(fingerprint) })),
            mappings: planner.mappings(),
          };
        } finally {
          await client.query('rollback');
          client.release();
        }
      }),
    );
    out.answer(found, () => describe(found));
    if (found.partitions.every(({ problem }) => problem)) return EXIT.usage;
    return found.partitions.some(({ problem }) => problem) ? EXIT.failures : EXIT.done;
  },
};

function describe(found: Plan): string {
  const { job, source, target, target_exists, mode, partitions, mappings } = found;
  const rows = partitions.reduce((sum, partition) => sum + (partition.rows ?? 0), 0);
  const size = partitions.reduce((sum, partition) => sum + (partition.bytes ?? 0), 0);
  const unknown = partitions.some((partition) => partition.rows === null) ? ' at least' : '';
  const parts = [
    `Job ${job}: ${source} → ${target} (${mode}${target_exists ? '' : ', to be created'})`,
    `${plural(partitions.length, 'partition')}, ${plural(rows, 'row')}${unknown}, ${bytes(size)}`,
    table(partitions.slice(0, PARTITIONS_SHOWN), [
      { title: 'partition', cell: ({ partition }) => partition },
      { title: 'rows', cell: (partition) => (partition.rows === null ? '?' : count(partition.rows)), right: true },
      { title: 'size', cell: (partition) => (partition.bytes === null ? '?' : bytes(partition.bytes)), right: true },
      { title: 'state', cell: ({ loaded, problem }) => problem ?? (loaded ? 'loaded already' : 'to load') },
    ]),
  ];
  if (partitions.length > PARTITIONS_SHOWN) parts.push(`… and ${count(partitions.length - PARTITIONS_SHOWN)} more`);
  for (const mapping of mappings) {
    parts.push(
      table(mapping, [
        { title: 'column', cell: ({ column }) => column },
        { title: 'DuckDB', cell: ({ duckdb }) => duckdb },
        { title: 'Arrow', cell: ({ arrow }) => arrow },
        { title: 'Postgres', cell: ({ postgres }) => postgres },
      ]),
    );
  }
  return parts.join('\n\n');
}
