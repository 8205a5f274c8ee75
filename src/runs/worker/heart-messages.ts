import type { Statement } from '../../queue/jobs.ts';

export interface HeartData {
  url: string;
  channel: string;
  beatMs: number;
  watchMs: number;
  stuckMs: number;
  /** When the main thread was last seen alive, in milliseconds since 1970. */
  mainSeen: BigInt64Array;
}

/** What the thread sends to the database until it is told otherwise. */
export interface ToThread {
  beats: Statement[];
  watch: (Statement & { version: number }) | undefined;
}

export type FromThread = { rung: true } | { watched: unknown[]; version: number } | { trouble: string };
