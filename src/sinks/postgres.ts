import type { ClientBase } from 'pg';
import { DrayageError } from '../base/errors.ts';
import type { Coercion, KeepRejects, LoadOutcome, OnProgress, SourceBatch } from '../model/sink.ts';
import type { Target } from '../model/target.ts';
import type { Table } from '../postgres/catalog.ts';
import { databaseError, faultOf, violates } from '../postgres/errors.ts';
import { loadCarefully, type Placed } from './careful.ts';
import { Intake } from './intake.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { copyRows, RowCopy } from './row-copy.ts';
import { StageMerge } from './stage-merge.ts';

export interface LoadRequest {
  client: ClientBase;
  table: Table;
  target: Target;
  columns: readonly MappedColumn[];
  /**
   * May be called again: rows that cannot go the shortest way are read and sent once more.
   * @param keep whether batches have to stay good after the next one was asked for
   */
  batches: (keep: boolean) => AsyncIterable<SourceBatch>;
  keepRejects: KeepRejects;
  onProgress: OnProgress;
  /** Whether an earlier partition of this run has met rows that exist already. */
  expectConflicts: boolean;
  onConflict: () => void;
  /** Table that keeps the keys that a merge has met. */
  seen?: string;
}

type Road = 'copy' | 'merge';

/**
 * Brings the rows into the table by the shortest road that is correct: COPY straight into it; for keys that turn out
 * to exist, a stage and a merge; and for rows that Postgres refuses, either of them with care. Runs in the caller's
 * transaction.
 */
export async function loadIntoPostgres(request: LoadRequest): Promise<LoadOutcome> {
  const { client, table, target, expectConflicts, onConflict } = request;
  let road: Road = target.mode === 'merge' || (target.mode === 'upsert' && expectConflicts) ? 'merge' : 'copy';
  for (;;) {
    await client.query('savepoint whole');
    try {
      const outcome = await wholesale(request, road);
      if (table.deferrable) await client.query('set constraints all immediate');
      await client.query('release savepoint whole');
      return outcome;
    } catch (error) {
      const exists = road === 'copy' && target.mode === 'upsert' && isKeyConflict(error, request);
      if (exists && target.onConflict === 'error') throw keyExists(error, table);
      if (!exists && !faultOf(error)) throw error;
      await client.query('rollback to savepoint whole');
      if (!exists) return careful(request, target.mode === 'upsert' && target.onConflict !== 'error' ? 'merge' : road);
      onConflict();
      road = 'merge';
    }
  }
}

/** Everything at once. */
async function wholesale(request: LoadRequest, road: Road): Promise<LoadOutcome> {
  const { client, table, target, columns, batches, keepRejects, onProgress, seen } = request;
  const intake = new Intake(table.sql, columns, keepRejects);
  const stage = road === 'merge' ? new StageMerge(client, table, target, columns, seen) : undefined;
  const copy = stage ? await stage.openStage() : new RowCopy(client, table.sql, columns);
  let copied = 0;
  try {
    for await (const source of batches(false)) {
      for (const stretch of intake.examine(source)) await copy.send(stretch);
      if (intake.isFull) {
        copied += await copy.finish();
        await intake.writeDown();
      }
      onProgress(intake.read);
    }
    copied += await copy.finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
  await intake.writeDown();
  const checksum = copy.checksum.toString();
  const placed = stage
    ? await stage.merge(copied, checksum)
    : { written: copied, unchanged: 0, superseded: 0, checksum };
  await stage?.close();
  return outcomeOf(request, intake, placed);
}

/** Window by window, so that rows which Postgres refuses stand alone. */
async function careful(request: LoadRequest, road: Road): Promise<LoadOutcome> {
  const { client, table, target, columns, batches, keepRejects, onProgress, seen } = request;
  if (table.deferrable) await client.query('set constraints all immediate');
  const intake = new Intake(table.sql, columns, keepRejects);
  const stage = road === 'merge' ? new StageMerge(client, table, target, columns, seen) : undefined;
  await stage?.openStage();
  const place = async (stretches: Parameters<StageMerge['place']>[0]): Promise<Placed> => {
    if (stage) return stage.place(stretches);
    const copy = new RowCopy(client, table.sql, columns);
    const written = await copyRows(copy, stretches).catch((error) => {
      throw target.mode === 'upsert' && isKeyConflict(error, request) ? keyExists(error, table) : error;
    });
    return { written, unchanged: 0, superseded: 0, checksum: copy.checksum.toString() };
  };
  const placed = await loadCarefully(client, intake, batches(true), place, onProgress);
  await stage?.close();
  return outcomeOf(request, intake, placed);
}

function outcomeOf({ target, columns }: LoadRequest, intake: Intake, placed: Placed): LoadOutcome {
  const { read, rejected, coerced } = intake;
  const coercions: Coercion[] = [...coerced].map(([column, rows]) => ({ column, loss: target.allow[column]!, rows }));
  const { into } = target.pack ?? {};
  if (into !== undefined && columns.some(({ name }) => name === into) && read > rejected) {
    coercions.push({ column: into, loss: 'packed', rows: read - rejected });
  }
  return { read, rejected, ...placed, coercions };
}

function isKeyConflict(error: unknown, { table, target }: LoadRequest): boolean {
  return keyIndexes(table, target.key).some(({ name }) => violates(error, name));
}

function keyExists(error: unknown, table: Table): DrayageError {
  return new DrayageError('LOAD_REFUSED', `A key exists already: ${databaseError(error).message}`, {
    where: { table: table.sql },
    hint: `The target says onConflict: 'error'. Use 'update' or 'ignore', or leave such rows out in the transform.`,
    cause: error,
  });
}
