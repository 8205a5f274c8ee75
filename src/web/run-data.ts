import { coercionsOf } from '../control/coercions.ts';
import { partitionBlocks, slowestPartitions } from '../control/partition-list.ts';
import { summariseRejects } from '../control/rejects.ts';
import { type ListedRun, listedRun } from '../control/run-list.ts';
import { ENDED } from '../model/state.ts';
import { BLOCKS_PER_CELL, cellsOf, MOST_CELLS } from './grid.ts';
import { Problem } from './problem.ts';
import type { Web } from './web.ts';

/** @throws RUN_NOT_FOUND */
export async function requireRun({ services }: Web, run: number): Promise<ListedRun> {
  const found = await listedRun(services.db, run);
  if (found) return found;
  throw new Problem(404, 'RUN_NOT_FOUND', `There is no run ${run}`, 'The page of runs lists those that there are.');
}

/** Whatever is asked about the run gives the same answer as long as this stays the same. */
function versionOf(run: ListedRun): string {
  const { state, partitions_total, partitions_pending, partitions_running, partitions_failed, partitions_cancelled } =
    run;
  const counters = [partitions_total, partitions_pending, partitions_running, partitions_failed, partitions_cancelled];
  return [state, ...counters, run.partitions_done, run.rows_rejected, run.verified_at?.getTime()].join(' ');
}

function kept<Value>({ memo }: Web, what: string, run: ListedRun, ask: () => Promise<Value>): Promise<Value> {
  return memo.get(`${what} ${run.run}`, versionOf(run), ENDED.includes(run.state), ask);
}

export const gridOf = (web: Web, run: ListedRun) =>
  kept(web, 'grid', run, async () =>
    cellsOf(await partitionBlocks(web.services.db, run.run, MOST_CELLS * BLOCKS_PER_CELL)),
  );

export const rejectGroupsOf = (web: Web, run: ListedRun) =>
  kept(web, 'rejects', run, async () => (run.rows_rejected > 0 ? summariseRejects(web.services.db, run.run) : []));

export const lossesOf = (web: Web, run: ListedRun) =>
  kept(web, 'losses', run, () => coercionsOf(web.services.db, run.run));

export const slowestOf = (web: Web, run: ListedRun, limit: number) =>
  kept(web, `slowest ${limit}`, run, () => slowestPartitions(web.services.db, run.run, limit));
