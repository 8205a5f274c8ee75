import type { ClientBase } from 'pg';
import type { KeepRejects, OnProgress, SourceBatch } from '../model/sink.ts';
import type { Target } from '../model/target.ts';
import type { Table } from '../postgres/catalog.ts';
import { violatesAny } from '../postgres/errors.ts';
import type { Lost } from './circle.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';

/** Rows whose keys exist already, or such that have changed. */
export type Met = 'keys' | 'changes';

/** What goes into one table. */
export interface LoadRequest {
  client: ClientBase;
  table: Table;
  target: Target;
  columns: readonly MappedColumn[];
  /**
   * May be called again: rows that cannot go the shortest way are read and sent once more. May throw ReadAgain, unless
   * batches are kept.
   * @param keep whether batches have to stay good after the next one was asked for
   */
  batches: (keep: boolean) => AsyncIterable<SourceBatch>;
  /** Reads only these columns, by their names in the source; absent where that is no shorter than reading them all. */
  only?: (columns: readonly string[]) => AsyncIterable<SourceBatch>;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
  /** The statement that checks deferred constraints when the table is filled. */
  check: string | undefined;
  /** Rows that are known to refer to nothing. */
  lost: readonly Lost[];
  /** What earlier partitions of this run have met in the table. */
  met: Met | undefined;
  onMet: (met: Met) => void;
  /** Table that keeps the keys that a merge has met. */
  seen?: string;
}

/** Whether Postgres refused rows because their keys exist. */
export function isKeyConflict(error: unknown, { table, target }: LoadRequest): boolean {
  return keyIndexes(table, target.key).some(({ names }) => violatesAny(error, names));
}
