import { DrayageError } from '../base/errors.ts';
import type { Coercion, LoadOutcome } from '../model/sink.ts';
import { ReadAgain } from '../model/source.ts';
import type { Table } from '../postgres/catalog.ts';
import { codeOf, databaseError, faultOf, UNIQUE_VIOLATION } from '../postgres/errors.ts';
import { loadCarefully, type Placed } from './careful.ts';
import { Intake } from './intake.ts';
import { keyIndexes } from './mapping.ts';
import { isKeyConflict, type LoadRequest } from './request.ts';
import { copyRows, RowCopy } from './row-copy.ts';
import { sameAlready } from './same.ts';
import { Savepoint } from './savepoint.ts';
import { sift } from './sift.ts';
import { StageMerge } from './stage-merge.ts';

type Road = 'copy' | 'sift' | 'merge';

/**
 * Brings the rows into the table by the shortest road that is correct: COPY straight into it; for keys that turn out
 * to exist, a comparison with what the table has; where that cannot be, a stage and a merge; and for rows that Postgres
 * refuses, either of them with care. Runs in the caller's transaction.
 */
export async function loadIntoPostgres(request: LoadRequest): Promise<LoadOutcome> {
  const { client, table, target, met, onMet, check } = request;
  const merges = target.mode === 'merge' || (target.mode === 'upsert' && target.onConflict !== 'error');
  const keyed = roadOfKeys(request);
  let road: Road = target.mode === 'merge' || (target.mode === 'upsert' && met) ? keyed : 'copy';
  const savepoint = new Savepoint(client);
  for (;;) {
    try {
      const outcome = await wholesale(request, road, savepoint);
      if (outcome) {
        if (check) await client.query(check);
        if (savepoint.isSet) await savepoint.release();
        return outcome;
      }
    } catch (error) {
      if (error instanceof ReadAgain) {
        if (savepoint.isSet) await savepoint.rollBack();
        continue;
      }
      // A row that is there already may be met by another of its unique indexes first; a merge goes by the key.
      const meets = road === 'copy' && merges && codeOf(error) === UNIQUE_VIOLATION;
      const exists = meets || (road !== 'merge' && target.mode !== 'append' && isKeyConflict(error, request));
      if (exists && !merges) throw keyExists(error, table);
      if (!savepoint.isSet || (!exists && !faultOf(error))) throw error;
      if (!exists) {
        await savepoint.rollBack();
        return careful(request, merges ? 'merge' : 'copy');
      }
      onMet(met ?? 'keys');
    }
    await savepoint.rollBack();
    road = road === 'copy' ? keyed : 'merge';
  }
}

/** How rows are loaded whose keys may exist. */
function roadOfKeys({ table, target, only }: LoadRequest): Road {
  const [index] = keyIndexes(table, target.key);
  return only && index?.predicate === null && !index.nullsEqual ? 'sift' : 'merge';
}

/** Everything at once. @returns undefined when this road leads nowhere */
async function wholesale(request: LoadRequest, road: Road, savepoint: Savepoint): Promise<LoadOutcome | undefined> {
  if (road === 'sift') {
    await savepoint.set();
    const loaded = (await sameAlready(request)) ?? (await sift(request));
    return loaded && outcomeOf(request, loaded.intake, loaded.placed);
  }
  const { client, table, target, columns, batches, keepRejects, onProgress, seen, check, lost } = request;
  const intake = new Intake(table.sql, columns, keepRejects, lost);
  const stage = road === 'merge' ? new StageMerge(client, table, target, columns, seen) : undefined;
  const copy = new RowCopy(client, stage?.stage ?? table.sql, columns);
  let alone = false;
  let copied = 0;
  const finish = async () => {
    copied += await copy.finish();
    if (alone && copy.begun) savepoint.wasReleased();
  };
  try {
    for await (const source of batches(false)) {
      // Of what comes in one piece, nothing is left to be undone when it is there.
      alone = !copy.begun && source.last === true && !stage && !check;
      const around = () => ({
        before: [...(savepoint.isSet ? [] : [savepoint.setting()]), ...(stage ? [stage.opening()] : [])].join('; '),
        ...(alone ? { after: Savepoint.RELEASE } : {}),
      });
      for (const stretch of intake.examine(source)) await copy.send(stretch, around);
      if (intake.isFull) {
        await finish();
        // What is read once more is rejected once more; nothing is when all of it has come.
        if (!alone && !savepoint.isSet) await savepoint.set();
        await intake.writeDown();
      }
      onProgress(intake.read);
    }
    await finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
  await intake.writeDown();
  const merges = stage && copy.begun;
  const placed = merges
    ? await stage.merge(copied, check ? undefined : savepoint)
    : { written: copied, unchanged: 0, superseded: 0 };
  await stage?.close();
  return outcomeOf(request, intake, { ...placed, checksum: copy.checksum.toString() });
}

/** Window by window, so that rows which Postgres refuses stand alone. */
async function careful(request: LoadRequest, road: Road): Promise<LoadOutcome> {
  const { client, table, target, columns, batches, keepRejects, onProgress, seen, check, lost } = request;
  if (check) await client.query(check);
  const intake = new Intake(table.sql, columns, keepRejects, lost);
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
  const ordered = stage !== undefined && target.version === undefined;
  const placed = await loadCarefully({ client, intake, table, columns, place, ordered, onProgress }, batches(true));
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

function keyExists(error: unknown, table: Table): DrayageError {
  return new DrayageError('LOAD_REFUSED', `A key exists already: ${databaseError(error).message}`, {
    where: { table: table.sql },
    hint: `The target says onConflict: 'error'. Use 'update' or 'ignore', or leave such rows out in the transform.`,
    cause: error,
  });
}
