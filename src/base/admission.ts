import { totalmem } from 'node:os';
import { DrayageError } from './errors.ts';

/** Node itself with everything loaded, in MB; then what is under way to Postgres, for each partition. */
const PROCESS_MB = 120;
const PARTITION_MB = 20;

export interface MemoryUse {
  concurrency: number;
  duckdbMemoryMb: number;
}

/**
 * What this process may use, in MB: the least of the machine's memory, the container's limit (cgroup 1 and 2, as Node
 * finds it), and WEB_MEMORY, by which platforms tell the share of one process.
 */
export function memoryLimitMb(env: NodeJS.ProcessEnv): number {
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const share = Number(env.WEB_MEMORY) || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem() / 2 ** 20, constrained / 2 ** 20, share));
}

/** What a worker takes, in MB. */
export function memoryNeededMb({ concurrency, duckdbMemoryMb }: MemoryUse): number {
  return PROCESS_MB + duckdbMemoryMb + concurrency * PARTITION_MB;
}

/** What a worker does when nobody says: as much as is usual, or as fits. */
export function usualMemoryUse(limitMb: number): MemoryUse {
  const usual = [
    { concurrency: 2, duckdbMemoryMb: 128 },
    { concurrency: 1, duckdbMemoryMb: 96 },
  ];
  return usual.find((use) => memoryNeededMb(use) <= limitMb) ?? { concurrency: 1, duckdbMemoryMb: 64 };
}

/** @throws CONFIG_INVALID when a worker would take more than there is, and be killed in the middle of something */
export function assertMemoryFits(use: MemoryUse, limitMb: number): void {
  const neededMb = memoryNeededMb(use);
  if (neededMb <= limitMb) return;
  throw new DrayageError(
    'CONFIG_INVALID',
    `A worker with ${use.concurrency} partitions at a time and ${use.duckdbMemoryMb} MB for DuckDB needs about ${neededMb} MB, and there are ${limitMb} MB`,
    { hint: 'Lower DRAYAGE_CONCURRENCY or DRAYAGE_DUCKDB_MEMORY_MB, leave both out, or give the process more memory.' },
  );
}
