/** What of a run decides whether its partitions are claimed now. */
export interface Candidate {
  id: number;
  state: string;
  priority: number;
  full: boolean;
}

/**
 * The order in which a worker asks the queue: by falling priority, each time leaving out the runs that are named. The
 * queue itself is not touched when a run is paused, limited or given another priority, however many jobs it has.
 * @returns for each time, the runs to leave out; empty when no run has anything to give
 */
export function turns(runs: readonly Candidate[]): number[][] {
  const open = runs.filter(({ state, full }) => state !== 'paused' && !full);
  const priorities = [...new Set(open.map(({ priority }) => priority))].sort((one, other) => other - one);
  return priorities.map((priority) => {
    const asked = new Set(open.filter((run) => run.priority === priority).map(({ id }) => id));
    return runs.filter(({ id }) => !asked.has(id)).map(({ id }) => id);
  });
}
