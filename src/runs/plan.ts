import { join } from 'node:path';
import { DrayageError, locate } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import { Duck } from '../duckdb/instance.ts';
import type { PartitionPlan, SourceContext } from '../model/source.ts';
import { keyWarning, mapColumns } from '../sinks/mapping.ts';
import { assertRights } from '../sinks/rights.ts';
import { widthWarning } from '../sinks/width.ts';
import { Spool } from '../store/spool.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { describeDatasets } from './lake/describe.ts';
import type { OpenLake } from './lake/open.ts';
import type { PreparedJob } from './prepare.ts';
import { withPartition } from './read.ts';
import type { Reading } from './reading.ts';
import type { PreparedRoute } from './routes.ts';
import type { Services } from './services.ts';

/** Opens DuckDB and the spool for as long as `use` takes. */
export async function withSourceContext<Result>(
  { config, targetUrl }: Pick<Services, 'config' | 'targetUrl'>,
  signal: AbortSignal,
  use: (context: SourceContext) => Promise<Result>,
): Promise<Result> {
  const disk = await Spool.open(join(config.home, 'spool'), config.spoolMb * 1_000_000);
  const duck = new Duck({
    memoryMb: config.duckdbMemoryMb,
    mostMemoryMb: config.memoryLimitMb / 2,
    spillMb: config.spoolMb,
    threads: config.duckdbThreads,
    // Its files have the same names in every process.
    spillDirectory: join(disk.folder, 'spill'),
  });
  try {
    const databaseUrl = (variable?: string) =>
      variable === undefined ? targetUrl : required(config.variable(variable), variable);
    return await use({ duck, root: config.root, spool: disk.folder, disk, databaseUrl, signal });
  } finally {
    await duck.close();
    await disk.close();
  }
}

function required(url: string | undefined, variable: string): string {
  if (url !== undefined) return url;
  throw new DrayageError('CONFIG_INVALID', `${variable} is not set, and the source is in the database that it names`, {
    hint: `Set ${variable}=postgresql://user:password@host:5432/database, also where workers run.`,
  });
}

/** Enumerates a job and holds every partition against the table, once for each different set of columns. */
export class Planner {
  readonly #prepared: PreparedJob;
  readonly #routes: readonly PreparedRoute[];
  readonly #context: SourceContext;
  readonly #lake: OpenLake | undefined;
  readonly #shapes = new Map<string, ColumnMapping[] | DrayageError>();
  readonly #warnings: Set<string>;

  /** @param lake the one that the job fills, in place of tables */
  constructor(prepared: PreparedJob, routes: readonly PreparedRoute[], context: SourceContext, lake?: OpenLake) {
    this.#prepared = prepared;
    this.#routes = routes;
    this.#context = context;
    this.#lake = lake;
    this.#warnings = new Set(routes.flatMap(({ late }) => late));
  }

  /**
   * A partition that cannot be loaded comes with its problem; its fingerprint includes the job's version.
   * @param plans what the source enumerates, when somebody has begun with it
   */
  async *partitions(plans = this.#prepared.source.enumerate(this.#context)): AsyncGenerator<PartitionPlan> {
    const { version } = this.#prepared;
    for await (const plan of plans) {
      const problem = plan.problem ?? (await this.#problemOf(plan));
      yield { ...plan, fingerprint: digest(plan.fingerprint, version), ...(problem ? { problem } : {}) };
    }
  }

  /** The mappings found so far, one per set of columns. */
  mappings(): ColumnMapping[][] {
    return [...this.#shapes.values()].filter((shape): shape is ColumnMapping[] => !(shape instanceof DrayageError));
  }

  /** What may become of rows that nobody expects, as far as the columns found so far tell. */
  warnings(): string[] {
    return [...this.#warnings];
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
    return withPartition(this.#prepared.source, plan, this.#context, async (opened) => {
      const { lake } = this.#prepared;
      const mappings = lake && this.#lake ? await describeDatasets(lake, this.#lake, opened) : [];
      for (const route of this.#routes) mappings.push(...this.#describe(route, await opened.reading(route)));
      return mappings;
    });
  }

  #describe({ table, target, rights }: PreparedRoute, { schema, columns, skipped }: Reading): ColumnMapping[] {
    const types = new Map(columns.map(({ name, type }) => [name, type]));
    const typeOf = (column: string) => types.get(column) ?? '';
    const loaded = mapColumns(schema, table, target);
    const mapped = loaded.map(({ name, source, from, to, allowed, narrows }) => {
      const renamed = name === source ? '' : `from "${source}"`;
      const risk = allowed ? `may lose: ${allowed}` : narrows ? 'values that do not fit are rejected' : '';
      const note = [renamed, risk].filter(Boolean).join('; ');
      return { table: table.sql, column: name, duckdb: typeOf(source), arrow: from, postgres: to, note };
    });
    const left = skipped.map(({ column, why }) => {
      return { table: table.sql, column, duckdb: typeOf(column), arrow: '', postgres: '', note: `left out: ${why}` };
    });
    const names = loaded.map(({ name }) => name);
    assertRights(rights, table, target, names);
    for (const warning of [widthWarning(table, names), keyWarning(table, target)]) {
      if (warning !== undefined) this.#warnings.add(warning);
    }
    return [...mapped, ...left];
  }
}
