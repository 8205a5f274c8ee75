/** The life of a run, and every step that it may take. */
export const RUN_STEPS = {
  planning: ['queued', 'finalizing', 'failed', 'cancelled'],
  queued: ['running', 'finalizing', 'paused', 'cancelled'],
  running: ['finalizing', 'paused', 'cancelled'],
  paused: ['running', 'cancelled'],
  finalizing: ['succeeded', 'completed_with_rejects', 'failed'],
  succeeded: ['rolled_back'],
  // Rejects that are loaded after all may leave none.
  completed_with_rejects: ['succeeded', 'completed_with_rejects', 'rolled_back'],
  // Its failed partitions are tried again.
  failed: ['running', 'rolled_back'],
  cancelled: ['rolled_back'],
  rolled_back: [],
} as const satisfies Record<string, readonly string[]>;

/** The life of a partition. `running → running` is a new attempt after the worker of the last one was lost. */
export const PARTITION_STEPS = {
  pending: ['running', 'failed', 'cancelled'],
  running: ['running', 'pending', 'done', 'skipped', 'failed', 'cancelled'],
  done: [],
  skipped: [],
  failed: ['pending'],
  cancelled: [],
} as const satisfies Record<string, readonly string[]>;

export type RunState = keyof typeof RUN_STEPS;
export type PartitionState = keyof typeof PARTITION_STEPS;

/** The states from which `to` can be reached; statements that change a state name them in their condition. */
export function statesBefore<States extends Record<string, readonly string[]>>(
  steps: States,
  to: keyof States & string,
): (keyof States & string)[] {
  return Object.entries(steps)
    .filter(([, next]) => next.includes(to))
    .map(([from]) => from);
}

/** The states in which a run has ended. */
export const ENDED: readonly RunState[] = ['succeeded', 'completed_with_rejects', 'failed', 'cancelled', 'rolled_back'];
