import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { Ticker } from '../base/ticker.ts';
import { AttemptSpans } from '../base/trace.ts';
import { type Claimed, claimPartitions } from '../control/claims.ts';
import type { ControlSchema } from '../control/db.ts';
import { hasRoom, workersOn } from '../control/limits.ts';
import { showProgress } from '../control/progress.ts';
import { findRun, moveRun, type Run } from '../control/runs.ts';
import { PACK_MS } from '../model/pack.ts';
import type { Route } from '../model/route.ts';
import type { SourceContext } from '../model/source.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { impatient } from '../postgres/pool.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';
import type { Claim, PartitionJob } from '../queue/jobs.ts';
import type { Met } from '../sinks/request.ts';
import { assertAccounted } from './account.ts';
import { type Attempt, type Committed, commitPack, type Load, type PartitionOutcome } from './commit.ts';
import { commitTables } from './commit-apart.ts';
import { clearClaims, giveBack, refOf, settleFailure } from './failure.ts';
import { type LakeLoad, loadIntoLake } from './lake/load.ts';
import { lakeOfRun } from './lake/open.ts';
import { loadPartition, planOf } from './load.ts';
import { loadJob } from './load-jobs.ts';
import { type PreparedJob, prepareJob } from './prepare.ts';
import { runRoutes } from './routes.ts';
import { assertTarget, type Services } from './services.ts';
import { traceAttempt } from './spans.ts';
import type { Holding } from './worker/holding.ts';
import { Pace } from './worker/pace.ts';

const PROGRESS_EVERY_MS = 500;
/** What is known of the tables; one that is changed meanwhile fails an attempt, and the next one looks again. */
const ROUTES_KEPT_MS = 1_000;
/** Runs of which a worker remembers something. */
const REMEMBERED = 100;

/** What the executor tells the worker of its claims. */
export interface Keeper {
  /** These attempts are under way. */
  begin(holding: Holding, attempts: readonly Claimed[]): void;
  /** These are settled, one way or another. */
  settle(holding: Holding, attempts: readonly Attempt[]): void;
}

/** Claims of one run, and whether limits have to be asked before they become attempts. */
export interface Task {
  run: number;
  claims: readonly Claim<PartitionJob>[];
  limited: boolean;
  holding: Holding;
}

/** Where rows go: into tables, or into a lake. */
interface Into {
  routes: readonly Route[];
  lake: Pick<LakeLoad, 'run' | 'place' | 'lake'> | undefined;
}

interface RunWork extends Task {
  row: Run;
  prepared: PreparedJob;
}

/** Executes attempts for one worker process; remembers what attempts of the same run can share. */
export class Executor {
  readonly #services: Services;
  readonly #boss: Boss;
  readonly #workerId: string;
  readonly #context: Omit<SourceContext, 'signal'>;
  readonly #keeper: Keeper;
  readonly #prepared = new Map<number, { version: string; prepared: Promise<PreparedJob> }>();
  readonly #paces = new Map<number, Pace>();
  readonly #met = new Map<number, Map<string, Met>>();
  readonly #routes = new Map<number, { prepared: PreparedJob; routes: Promise<Route[]>; untilMs: number }>();

  constructor(
    services: Services,
    boss: Boss,
    workerId: string,
    context: Omit<SourceContext, 'signal'>,
    keeper: Keeper,
  ) {
    this.#services = services;
    this.#boss = boss;
    this.#workerId = workerId;
    this.#context = context;
    this.#keeper = keeper;
  }

  /**
   * One attempt at each of the claimed partitions, from the claim to the commit or to the record of what went wrong.
   * Tiny ones share a transaction; when that fails, each is tried alone, so that the guilty one takes no other with it.
   * What turns out too long for one transaction is given back for others to take.
   * @returns how many partitions were tried
   */
  async execute(task: Task): Promise<number> {
    const { claims, holding } = task;
    const name = randomBytes(8).toString('hex');
    const partitions = await this.#claim(task, name);
    const byId = new Map(partitions.map((partition) => [partition.id, partition]));
    await clearClaims(
      this.#services,
      this.#boss,
      claims.filter(({ data }) => !byId.has(data.partition)),
    );
    const attempts = claims.flatMap((claim): Attempt[] => {
      const partition = byId.get(claim.data.partition);
      return partition ? [{ claim, partition }] : [];
    });
    if (attempts.length === 0) return 0;
    this.#keeper.begin(holding, partitions);
    const row = await findRun(this.#services.db, task.run);
    const job = row?.job ?? '';
    try {
      if (!row) throw new DrayageError('RUN_NOT_FOUND', `There is no run ${task.run}`);
      const work: RunWork = { ...task, row, prepared: await this.#prepare(row) };
      holding.pace = await this.#paceOf(row);
      await this.#runPack(work, name, attempts);
    } catch (error) {
      for (const attempt of attempts) await this.#fail(task, attempt, job, error);
    }
    return attempts.length;
  }

  async #claim({ run, claims, limited }: Task, pack: string): Promise<Claimed[]> {
    const { db, pool } = this.#services;
    const request = { run, partitions: claims.map(({ data }) => data.partition), worker: this.#workerId, pack };
    if (!limited) return claimPartitions(db, request);
    return transaction(pool, async (client) => {
      const tx = kyselyOnClient<ControlSchema>(client);
      return (await hasRoom(tx, run)) ? claimPartitions(tx, request) : [];
    });
  }

  async #runPack(work: RunWork, name: string, attempts: readonly Attempt[]): Promise<void> {
    const startedMs = performance.now();
    let waiting = attempts;
    while (waiting.length > 0) {
      try {
        const settled = await this.#commit(work, name, waiting);
        this.#keeper.settle(work.holding, waiting.slice(0, settled));
        waiting = waiting.slice(settled);
      } catch (error) {
        this.#routes.delete(work.run);
        if (waiting.length > 1 && !work.holding.signal.aborted) return this.#runAlone(work, name, waiting);
        for (const attempt of waiting) await this.#fail(work, attempt, work.row.job, error);
        return;
      }
      if (waiting.length > 0 && performance.now() - startedMs > 2 * PACK_MS) {
        await giveBack(this.#services, this.#boss, waiting, work.row.job);
        this.#keeper.settle(work.holding, waiting);
        return;
      }
    }
  }

  async #runAlone(work: RunWork, name: string, attempts: readonly Attempt[]): Promise<void> {
    for (const { claim, partition } of attempts) {
      // The server may not know yet that the transaction which they shared is over.
      await this.#runPack(work, name, [{ claim, partition: { ...partition, lost_pack: name } }]);
    }
  }

  async #fail({ holding }: Task, attempt: Attempt, job: string, error: unknown): Promise<void> {
    await settleFailure(this.#services, this.#boss, attempt, job, error);
    this.#keeper.settle(holding, [attempt]);
  }

  /** Workers share what a run may load in a second. */
  async #paceOf(row: Run): Promise<Pace> {
    const pace = this.#paces.get(row.id) ?? new Pace();
    this.#paces.set(row.id, pace);
    const [oldest] = this.#paces.keys();
    if (this.#paces.size > REMEMBERED) this.#forget(oldest!);
    const limit = row.max_rows_per_second;
    pace.limit(limit === null ? undefined : limit / (await workersOn(this.#services.db, row.id)));
    return pace;
  }

  #forget(run: number): void {
    for (const known of [this.#prepared, this.#paces, this.#met, this.#routes]) known.delete(run);
  }

  /** The run's job as it was planned, loaded once per process. */
  async #prepare(row: Run): Promise<PreparedJob> {
    const known = this.#prepared.get(row.id);
    if (known?.version === row.job_version) return known.prepared;
    const prepared = this.#load(row);
    this.#prepared.set(row.id, { version: row.job_version, prepared });
    prepared.catch(() => this.#prepared.delete(row.id));
    return prepared;
  }

  async #load(row: Run): Promise<PreparedJob> {
    await assertTarget(this.#services, row);
    const loaded = await loadJob(this.#services.config.root, row.job_path);
    if (loaded.version !== row.job_version) {
      throw new DrayageError(
        'JOB_CHANGED',
        'The job definition of this worker is not the one that the run was planned with',
        { hint: `Deploy the same version everywhere; then "dray retry ${row.id}" takes up what has failed.` },
      );
    }
    await moveRun(this.#services.db, row.id, 'running');
    return prepareJob(loaded, row.params as Record<string, unknown>);
  }

  /** One transaction. @returns how many of the attempts it has settled */
  async #commit(work: RunWork, name: string, attempts: readonly Attempt[]): Promise<number> {
    const { pool, events } = this.#services;
    const { row, prepared, holding } = work;
    prepared.source.expect?.(planOf(attempts[0]!.partition), { ...this.#context, signal: holding.signal });
    const routes = await this.#routesOf(row.id, prepared);
    const lake = prepared.lake && { ...(await lakeOfRun(this.#services, row.id, prepared.lake)), lake: prepared.lake };
    const startedMs = performance.now();
    const seconds = new Map<number, number>();
    const spans = new AttemptSpans();
    const load: Load = async (client, partition, keepRejects) => {
      const begunMs = performance.now();
      events.emit('attemptStarted', refOf(partition, row.job));
      const loading = () => this.#loadOne(work, partition, { client, routes, lake, keepRejects });
      const outcome = await traceAttempt(spans, partition, row.job, loading);
      seconds.set(partition.id, (performance.now() - begunMs) / 1000);
      return outcome;
    };
    const enough = () => performance.now() - startedMs > PACK_MS;
    const course = { signal: holding.signal, enough, named: () => holding.loads(true) };
    const pack = { name, run: row, prepared, attempts };
    const committing = lake
      ? commitPack(pool, this.#boss, { ...pack, ledger: lake.ledger }, load, course)
      : commitTables(this.#services, this.#boss, { ...pack, routes }, load, course);
    const committed = await spans.until(committing.finally(() => holding.loads(false)));
    for (const one of committed) this.#report(row.job, one, seconds);
    return committed.length;
  }

  async #loadOne(
    { run, prepared, holding }: RunWork,
    partition: Claimed,
    { routes, lake, ...rest }: Into & Pick<LakeLoad, 'client' | 'keepRejects'>,
  ): Promise<PartitionOutcome> {
    const { db } = this.#services;
    if (partition.error_code === 'OUT_OF_MEMORY') this.#context.duck.makeRoomFor(partition.failures);
    const progress = new Ticker<number>(PROGRESS_EVERY_MS, (rows) => showProgress(db, partition, rows));
    const load = {
      ...rest,
      source: prepared.source,
      context: { ...this.#context, signal: holding.signal },
      onProgress: (rows: number) => progress.tick(rows),
      pace: holding.pace,
    };
    try {
      const outcome = lake
        ? await loadIntoLake({ ...load, ...lake, db, partition })
        : await loadPartition({ ...load, routes, plan: planOf(partition), met: this.#metBy(run) });
      assertAccounted(outcome, partition, prepared);
      return outcome;
    } finally {
      await progress.stop();
    }
  }

  #report(job: string, { partition, outcome }: Committed, seconds: ReadonlyMap<number, number>): void {
    const { events } = this.#services;
    const ref = refOf(partition, job);
    if (!outcome) return void events.emit('attemptSkipped', { ...ref, reason: 'its content is in the table already' });
    const { read: rowsRead, written: rowsWritten, rejected: rowsRejected } = outcome;
    events.emit('attemptDone', {
      ...ref,
      rowsRead,
      rowsWritten,
      rowsRejected,
      seconds: seconds.get(partition.id) ?? 0,
    });
  }

  /** Looked up anew every second only: for small partitions that would take longer than the load. What is older goes. */
  #routesOf(run: number, prepared: PreparedJob): Promise<Route[]> {
    const known = this.#routes.get(run);
    // A run that is tried again may have another definition by now.
    if (known?.prepared === prepared && performance.now() < known.untilMs) return known.routes;
    for (const [one, { untilMs }] of this.#routes) if (untilMs < performance.now()) this.#routes.delete(one);
    const routes = runRoutes(impatient(this.#services.target) as unknown as pg.ClientBase, prepared.targets, run);
    this.#routes.set(run, { prepared, routes, untilMs: performance.now() + ROUTES_KEPT_MS });
    routes.catch(() => this.#routes.delete(run));
    return routes;
  }

  /** By table, what its partitions have met so far. */
  #metBy(run: number): Map<string, Met> {
    const known = this.#met.get(run) ?? new Map();
    this.#met.set(run, known);
    return known;
  }
}
