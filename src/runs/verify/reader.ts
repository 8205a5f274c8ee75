import { explain } from '../../base/errors.ts';
import type { ControlDb } from '../../control/db.ts';
import { partitionKeys } from '../../control/partitions.ts';
import { type LoadedPartition, loadedPartitions } from '../../control/verifications.ts';
import type { Route } from '../../model/route.ts';
import type { SourceContext } from '../../model/source.ts';
import type { Difference } from '../../sinks/compare.ts';
import type { PreparedJob } from '../prepare.ts';
import type { LoadHistory } from './loads.ts';
import type { NamedDifference, Verification } from './report.ts';
import { isOfSource, type RowSource } from './rows.ts';

const PAGE = 500;

/** A run whose source is read again. */
export interface ReadRun {
  id: number;
  prepared: PreparedJob;
  routes: readonly Route[];
}

/** Reads runs again, partition by partition, and collects what goes wrong with that. */
export class RunReader {
  readonly db: ControlDb;
  /** Partitions that cannot be read again. */
  readonly problems: Verification['partitions'] = [];
  readonly loads: LoadHistory;
  readonly #context: SourceContext;

  constructor(db: ControlDb, loads: LoadHistory, context: SourceContext) {
    this.db = db;
    this.loads = loads;
    this.#context = context;
  }

  /** What is in the tables of a run, in the order in which it got there. */
  async *sources(run: ReadRun): AsyncGenerator<RowSource> {
    for (let last: LoadedPartition | undefined; ; ) {
      const page = await loadedPartitions(this.db, run.id, last, PAGE);
      for (const partition of page) {
        this.#context.signal.throwIfAborted();
        yield await this.sourceOf(run, partition);
      }
      last = page.at(-1);
      if (page.length < PAGE) return;
    }
  }

  async sourceOf({ prepared, routes }: ReadRun, partition: LoadedPartition): Promise<RowSource> {
    const none = partition.state === 'done' && partition.rows_rejected === 0;
    const excluded = none ? [] : await this.loads.excludedRows(partition);
    return { prepared, routes, context: this.#context, partition, excluded };
  }

  /** A partition that cannot be read again is told, and the others go on. */
  async tolerate({ partition }: RowSource, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isOfSource(error)) throw error;
      if (this.problems.some((one) => one.partition === partition.key)) return;
      const none = { table: null, missing: 0, different: 0 };
      this.problems.push({ partition: partition.key, ...none, problem: explain(error) });
    }
  }

  /** Differences with the keys of their partitions. */
  async named(differences: readonly Difference[]): Promise<NamedDifference[]> {
    const ids = differences.map(({ partition }) => partition);
    const keys = await partitionKeys(this.db, ids);
    return differences.map((difference) => ({ ...difference, partition: keys.get(difference.partition) ?? '' }));
  }
}
