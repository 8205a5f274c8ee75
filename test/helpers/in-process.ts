import { afterAll } from 'vitest';
import { readConfig } from '../../src/base/config.ts';
import { createEvents } from '../../src/base/events.ts';
import { runProgress } from '../../src/control/views.ts';
import type { Duck } from '../../src/duckdb/instance.ts';
import { ENDED } from '../../src/model/state.ts';
import { enqueue } from '../../src/runs/enqueue.ts';
import type { RunKeeper } from '../../src/runs/keeper.ts';
import { loadJob } from '../../src/runs/load-jobs.ts';
import { prepareJob } from '../../src/runs/prepare.ts';
import { type RunReport, reportRun } from '../../src/runs/report.ts';
import { ensureSchema, openQueue, openServices } from '../../src/runs/services.ts';
import { work } from '../../src/runs/worker/work.ts';
import { useWorkspace, type Workspace } from './workspace.ts';

type Drayage = Awaited<ReturnType<typeof openDrayage>>;

/** A workspace, as `useWorkspace` opens it, with a Drayage that works in it. */
export interface Workshop extends Workspace {
  drayage: Drayage;
}

export function useDrayage(setUp: (workshop: Workshop) => unknown): Duck {
  let drayage: Drayage | undefined;
  const duck = useWorkspace(async (workspace) => {
    drayage = await openDrayage(workspace.project.root, workspace.database.url);
    await setUp({ ...workspace, drayage });
  });
  // Before the workspace is taken down: what is registered last is run first.
  afterAll(() => drayage?.close());
  return duck;
}

/** A producer and a worker in this process, for tests with more runs than there is time for processes. */
export async function openDrayage(root: string, url: string, env: NodeJS.ProcessEnv = {}) {
  const events = createEvents();
  const services = await openServices(readConfig({ DATABASE_URL: url, ...env }, root), { loads: 2, events });
  await ensureSchema(services);
  const boss = await openQueue(services, { supervise: true });
  const stop = new AbortController();
  const startWorker = () => {
    const stopping = new AbortController();
    const working = work(services, boss, AbortSignal.any([stop.signal, stopping.signal]));
    return async () => {
      stopping.abort();
      await working;
    };
  };
  let stopWorker = startWorker();

  return {
    services,
    /**
     * @param between what happens when the run is planned and no worker has begun with it
     * @param keeper as of a producer that stays
     * @throws what `enqueue` throws
     */
    async run(
      job: string,
      params: Record<string, unknown>,
      force = true,
      between?: () => Promise<unknown>,
      keeper?: RunKeeper,
    ): Promise<RunReport> {
      const prepared = prepareJob(await loadJob(root, job), params);
      const finished = new Set<number>();
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      let wanted: number | undefined;
      const note = ({ run }: { run: number }) => {
        finished.add(run);
        if (wanted !== undefined && finished.has(wanted)) resolve();
      };
      events.on('runFinished', note);
      if (between) await stopWorker();
      try {
        wanted = (await enqueue(services, boss, prepared, { force, keeper, signal: stop.signal })).run;
        if (between) {
          await between();
          stopWorker = startWorker();
        }
        if (!finished.has(wanted)) await ended;
        const progress = (await runProgress(services.db, wanted))!;
        if (!ENDED.includes(progress.state)) throw new Error(`run ${wanted} is ${progress.state}`);
        return await reportRun(services.db, progress);
      } finally {
        events.off('runFinished', note);
      }
    },
    async close() {
      stop.abort();
      await stopWorker();
      await services.closers.close();
    },
  };
}
