import type { ClientBase } from 'pg';
import type { KeepRejects, LoadOutcome, OnProgress, SourceBatch } from '../model/sink.ts';
import type { Target } from '../model/target.ts';
import type { Table } from '../postgres/catalog.ts';
import { violates } from '../postgres/errors.ts';
import { copyDirect } from './copy-direct.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { stageAndMerge } from './stage-merge.ts';

export interface LoadRequest {
  client: ClientBase;
  table: Table;
  target: Target;
  columns: readonly MappedColumn[];
  /** May be called twice: when rows turn out to exist already, they are read and sent again. */
  batches: () => AsyncIterable<SourceBatch>;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
  /** Whether an earlier partition of this run has met rows that exist already. */
  expectConflicts: boolean;
  onConflict: () => void;
}

/**
 * Brings the rows into the table by the shortest road that is correct: COPY straight into it, and for an upsert whose
 * rows turn out to exist, a stage and a merge. Runs in the caller's transaction.
 */
export async function loadIntoPostgres(request: LoadRequest): Promise<LoadOutcome> {
  const { target, expectConflicts } = request;
  if (target.mode === 'append') return direct(request);
  const outcome = expectConflicts ? undefined : await optimistic(request);
  return outcome ?? merge(request);
}

async function direct({ table, batches, ...request }: LoadRequest): Promise<LoadOutcome> {
  const { copied, ...counts } = await copyDirect({ ...request, into: table.sql, table: table.sql, batches: batches() });
  return { ...counts, written: copied, unchanged: 0, superseded: 0 };
}

/** @returns undefined when a row with the same key exists; then nothing of the attempt is left */
async function optimistic(request: LoadRequest): Promise<LoadOutcome | undefined> {
  const { client, table, target, onConflict } = request;
  await client.query('savepoint optimistic');
  try {
    const outcome = await direct(request);
    await client.query('release savepoint optimistic');
    return outcome;
  } catch (error) {
    if (!keyIndexes(table, target.key).some((index) => violates(error, index))) throw error;
    await client.query('rollback to savepoint optimistic');
    onConflict();
    return undefined;
  }
}

async function merge({ table, target, batches, ...request }: LoadRequest): Promise<LoadOutcome> {
  return stageAndMerge({ ...request, table: table.sql, batches: batches() }, table, target);
}
