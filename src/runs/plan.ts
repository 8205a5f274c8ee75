import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../base/config.ts';
import { DrayageError, locate } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { Duck } from '../duckdb/instance.ts';
import type { PartitionPlan, Source, SourceContext } from '../model/source.ts';
import type { Target } from '../model/target.ts';
import type { Table } from '../postgres/catalog.ts';
import { type MappedColumn, mapColumns } from '../sinks/mapping.ts';
import { ensureTable } from '../sinks/tables.ts';
import type { LoadedJob } from './load-jobs.ts';
import { withReading } from './read.ts';

/** A job with its parameters, ready to be enumerated or executed. */
export interface PreparedJob extends LoadedJob {
  params: Record<string, unknown>;
  source: Source;
  targetName: string;
  target: Target;
}

/** @throws whatever the job's own `source` function throws, with the job's name */
export function prepareJob(loaded: LoadedJob, params: Record<string, unknown>): PreparedJob {
  const [targetName, target] = Object.entries(loaded.job.targets)[0]!;
  try {
    return { ...loaded, params, source: loaded.job.source(params as never), targetName, target };
  } catch (error) {
    throw locate(error, { job: loaded.job.name, field: 'source' });
  }
}

/** Opens DuckDB and the spool for as long as `use` takes. */
export async function withSourceContext<Result>(
  config: Config,
  signal: AbortSignal,
  use: (context: SourceContext) => Promise<Result>,
): Promise<Result> {
  const spool = join(config.home, 'spool');
  await mkdir(spool, { recursive: true });
  const duck = new Duck({
    memoryMb: config.duckdbMemoryMb,
    threads: config.duckdbThreads,
    spillDirectory: join(config.home, 'spill'),
  });
  try {
    return await use({ duck, root: config.root, spool, signal });
  } finally {
    await duck.close();
  }
}

/** The target's table; created by its DDL when it is absent. Whether that lasts is up to the caller's transaction. */
export async function prepareTable(
  client: pg.ClientBase,
  { targetName, target, job }: PreparedJob,
  root: string,
): Promise<{ table: Table; created: boolean }> {
  // Two producers may find the same table absent.
  await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`drayage table ${targetName}`]);
  return ensureTable(client, targetName, target, root).catch((error) => {
    throw locate(error, { job: job.name });
  });
}

/** How a column travels, for `dray plan`. */
export interface ColumnMapping {
  column: string;
  duckdb: string;
  arrow: string;
  postgres: string;
}

/** Enumerates a job and holds every partition against the table, once for each different set of columns. */
export class Planner {
  readonly #prepared: PreparedJob;
  readonly #table: Table;
  readonly #context: SourceContext;
  readonly #shapes = new Map<string, ColumnMapping[] | DrayageError>();

  constructor(prepared: PreparedJob, table: Table, context: SourceContext) {
    this.#prepared = prepared;
    this.#table = table;
    this.#context = context;
  }

  /** A partition that cannot be loaded comes with its problem; its fingerprint includes the job's version. */
  async *partitions(): AsyncGenerator<PartitionPlan> {
    const { source, version } = this.#prepared;
    for await (const plan of source.enumerate(this.#context)) {
      const problem = plan.problem ?? (await this.#problemOf(plan));
      yield { ...plan, fingerprint: digest(plan.fingerprint, version), ...(problem ? { problem } : {}) };
    }
  }

  /** The mappings found so far, one per set of columns. */
  mappings(): ColumnMapping[][] {
    return [...this.#shapes.values()].filter((shape): shape is ColumnMapping[] => !(shape instanceof DrayageError));
  }

  async #problemOf(plan: PartitionPlan): Promise<DrayageError | undefined> {
    let shape = this.#shapes.get(plan.shape);
    if (shape === undefined) {
      shape = await this.#map(plan).catch((error: unknown) => {
        if (error instanceof DrayageError && !error.transient)
          return locate(error, { job: this.#prepared.job.name, file: plan.file });
        throw error;
      });
      this.#shapes.set(plan.shape, shape);
    }
    return shape instanceof DrayageError ? shape : undefined;
  }

  #map(plan: PartitionPlan): Promise<ColumnMapping[]> {
    const { job, source, target } = this.#prepared;
    return withReading(job, source, plan, this.#context, async ({ schema, columns }) => {
      const types = new Map(columns.map(({ name, type }) => [name, type]));
      return mapColumns(schema, this.#table, target).map(({ name, from, to }: MappedColumn) => {
        return { column: name, duckdb: types.get(name) ?? '', arrow: from, postgres: to };
      });
    });
  }
}
