import { EventEmitter } from 'node:events';
import type { DrayageError } from './errors.ts';

/** Names one try at one partition in every event about it. */
export interface AttemptRef {
  run: number;
  job: string;
  partition: string;
  attempt: number;
}

/** What happens inside Drayage, told once; log lines and other observers subscribe. */
export interface EventMap {
  attemptStarted: [AttemptRef];
  attemptDone: [AttemptRef & { rowsRead: number; rowsWritten: number; rowsRejected: number; seconds: number }];
  attemptSkipped: [AttemptRef & { reason: string }];
  attemptFailed: [AttemptRef & { error: DrayageError; retrying: boolean }];
  attemptReleased: [AttemptRef];
  partitionLost: [{ run: number; partition: string; attempt: number }];
  runPaused: [{ run: number; job: string; reason: string }];
  runFinished: [{ run: number; job: string; state: string }];
  workerStarted: [{ worker: string; concurrency: number }];
  workerStopping: [{ worker: string; active: number }];
  /** Null when nothing holds the worker back any more. */
  workerHeldBack: [{ worker: string; reason: string | null }];
  queueError: [{ error: unknown }];
  /** A script of a target said so with `raise warning`. */
  scriptWarned: [{ warning: string }];
  embeddedStarted: [{ url: string; recovered: boolean }];
}

export type Events = EventEmitter<EventMap>;

export function createEvents(): Events {
  return new EventEmitter<EventMap>();
}
