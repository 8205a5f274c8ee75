import type { PoolClient } from 'pg';
import { DrayageError, explain } from '../base/errors.ts';
import { parseRejectLimit } from '../model/limits.ts';
import type { Route } from '../model/route.ts';
import type { LoadCounts, Reject } from '../model/sink.ts';
import type { PartitionPlan, SourceContext } from '../model/source.ts';
import type { Met } from '../sinks/request.ts';
import { rowsExpected } from './account.ts';
import { loadPartition } from './load.ts';
import type { PreparedJob } from './prepare.ts';
import { RejectKeeper } from './rejects.ts';
import { inspectSource, openRoutes, prepareRoutes, runRoutes } from './routes.ts';
import type { Services } from './services.ts';
import { Pace } from './worker/pace.ts';

/** What became of a partition that was loaded for a try. */
export interface TriedPartition {
  partition: string;
  rows: LoadCounts;
  seconds: number;
  /** Why it could not be loaded. */
  problem: string | null;
}

export interface RejectedKind {
  table: string | null;
  column: string | null;
  reason: string;
  rows: number;
  /** Of the first one. */
  example: { partition: string; row: number | null; message: string };
}

/** What loading some partitions says about loading all of them. */
export interface Forecast {
  tried: TriedPartition[];
  /** Partitions that a run would load. */
  of: number;
  /** What the tables and their indexes grew by. */
  grown_bytes: number;
  rejects: RejectedKind[];
  /** Null when none of the partitions could be loaded. Counts and sizes are the sample's, scaled by `scaled_by`. */
  predicted: {
    rows: number;
    rejected: number;
    failed_partitions: number;
    /** One partition after the other, without queue, indexes and statistics. */
    seconds: number;
    grown_bytes: number;
    scaled_by: 'rows' | 'bytes' | 'partitions';
  } | null;
}

/** No run has this number: what is made for the sample is gone again before anybody could see it. */
const NO_RUN = 0;

/**
 * Loads some of a job's partitions as a run would, in a transaction that is rolled back. What it leaves behind are dead
 * rows for autovacuum, and sequences that have moved on; while it lasts it holds the locks that a load holds.
 * @param plans those that a run would load; `count` of them are taken, spread evenly
 * @throws USAGE for a job that fills a lake
 */
export async function trySample(
  services: Services,
  prepared: PreparedJob,
  plans: readonly PartitionPlan[],
  count: number,
  context: SourceContext,
): Promise<Forecast> {
  if (prepared.lake) {
    throw new DrayageError('USAGE', 'A sample is loaded for a try into tables only, and this job fills a lake', {
      hint: '"dray plan" without --sample shows what it would do.',
    });
  }
  const chosen = spread(plans, count);
  const client = await services.target.connect();
  try {
    const columnsOf = await inspectSource(client, prepared, context);
    await client.query('begin');
    await prepareRoutes(client, prepared, { root: context.root, columnsOf, touch: true }).then((routes) =>
      openRoutes(client, NO_RUN, routes, []),
    );
    const routes = await runRoutes(client, prepared.targets, NO_RUN);
    const before = await sizeOf(client, routes);
    const attempt = new Attempt(client, prepared, routes, context);
    const tried: TriedPartition[] = [];
    for (const plan of chosen) tried.push(await attempt.load(plan));
    const grown = (await sizeOf(client, routes)) - before;
    const rejects = [...attempt.rejects.values()].sort((a, b) => b.rows - a.rows);
    return { tried, of: plans.length, grown_bytes: grown, rejects, predicted: predict(tried, chosen, plans, grown) };
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** Loads partitions one after the other; one that fails leaves the others alone. */
class Attempt {
  readonly rejects = new Map<string, RejectedKind>();
  readonly #client: PoolClient;
  readonly #prepared: PreparedJob;
  readonly #routes: readonly Route[];
  readonly #context: SourceContext;
  readonly #met = new Map<string, Met>();

  constructor(client: PoolClient, prepared: PreparedJob, routes: readonly Route[], context: SourceContext) {
    this.#client = client;
    this.#prepared = prepared;
    this.#routes = routes;
    this.#context = context;
  }

  async load(plan: PartitionPlan): Promise<TriedPartition> {
    const { maxRejects } = this.#prepared.job;
    const limit = maxRejects === undefined ? undefined : parseRejectLimit(String(maxRejects));
    const keeper = new RejectKeeper(limit, rowsExpected(plan.rows, this.#prepared), async (rejects) =>
      this.#note(plan, rejects),
    );
    const startedMs = performance.now();
    const tried = (rows: LoadCounts, problem: string | null) => {
      return { partition: plan.key, rows, seconds: (performance.now() - startedMs) / 1000, problem };
    };
    await this.#client.query('savepoint drayage_sample');
    try {
      const outcome = await loadPartition({
        client: this.#client,
        routes: this.#routes,
        source: this.#prepared.source,
        plan,
        context: this.#context,
        keepRejects: keeper.keep,
        onProgress: () => undefined,
        pace: new Pace(),
        met: this.#met,
      });
      keeper.assertWithin(outcome);
      // What waits for the end of the transaction would be refused there.
      await this.#client.query('set constraints all immediate');
      await this.#client.query('release savepoint drayage_sample');
      const { read, written, unchanged, superseded, rejected } = outcome;
      return tried({ read, written, unchanged, superseded, rejected }, null);
    } catch (error) {
      this.#context.signal.throwIfAborted();
      await this.#client.query('rollback to savepoint drayage_sample');
      return tried({ read: 0, written: 0, unchanged: 0, superseded: 0, rejected: 0 }, explain(error));
    }
  }

  #note({ key }: PartitionPlan, rejects: readonly Reject[]): void {
    for (const { table, column, reason, row, message } of rejects) {
      const kind = JSON.stringify([table, column, reason]);
      const known = this.rejects.get(kind);
      if (known) known.rows++;
      else this.rejects.set(kind, { table, column, reason, rows: 1, example: { partition: key, row, message } });
    }
  }
}

/** So many of them, from the first stretch to the last one. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  const wanted = Math.min(count, items.length);
  return Array.from({ length: wanted }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / wanted)]!);
}

function predict(
  tried: readonly TriedPartition[],
  chosen: readonly PartitionPlan[],
  plans: readonly PartitionPlan[],
  grown: number,
): Forecast['predicted'] {
  const loaded = chosen.filter((_, index) => tried[index]!.problem === null);
  if (loaded.length === 0) return null;
  const scaled_by =
    (['rows', 'bytes'] as const).find((one) => plans.every((plan) => plan[one] !== null)) ?? 'partitions';
  const weightOf = (plan: PartitionPlan) => (scaled_by === 'partitions' ? 1 : plan[scaled_by]!);
  const sum = (some: readonly PartitionPlan[]) => some.reduce((total, plan) => total + weightOf(plan), 0);
  const scale = sum(plans) / Math.max(sum(loaded), 1);
  const total = (value: (one: TriedPartition) => number) =>
    tried.filter(({ problem }) => problem === null).reduce((all, one) => all + value(one), 0) * scale;
  return {
    rows: Math.round(total(({ rows }) => rows.read)),
    rejected: Math.round(total(({ rows }) => rows.rejected)),
    failed_partitions: Math.round(((tried.length - loaded.length) / tried.length) * plans.length),
    seconds: total(({ seconds }) => seconds),
    grown_bytes: Math.round(grown * scale),
    scaled_by,
  };
}

/** The tables with their indexes and what they keep out of line, as they are inside of the transaction. */
async function sizeOf(client: PoolClient, routes: readonly Route[]): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>(
    'select coalesce(sum(pg_total_relation_size(oid)), 0)::float8 as bytes from unnest($1::oid[]) oid',
    [routes.map(({ table }) => table.oid)],
  );
  return rows[0]!.bytes;
}
