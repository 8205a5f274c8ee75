import { randomUUID } from 'node:crypto';
import { DrayageError } from '../../base/errors.ts';
import type { ControlSchema } from '../../control/db.ts';
import { datasetColumns, findLakeRun, type LakeRun } from '../../control/lake.ts';
import { lakeLedger } from '../../ledger/lake-loads.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { kyselyOnClient } from '../../postgres/kysely.ts';
import { transaction } from '../../postgres/tx.ts';
import type { Place } from '../../store/place.ts';
import { placeOf } from '../../store/places.ts';
import type { Services } from '../services.ts';
import type { PreparedLake } from './prepare.ts';

/** Holds the lake's id, below its root. */
const MARK = '_lake.json';

/** A lake that is about to be filled. */
export interface OpenLake {
  root: string;
  /** Undefined for one that is not there yet. */
  id: string | undefined;
  ledger: Ledger;
  /** The columns that its datasets have so far. */
  columns: Map<string, readonly { name: string; type: string }[]>;
}

/**
 * Looks at a lake, and makes it when it is not there: whether it can be written to is found out before a run begins.
 * @param touch whether it may be made
 * @throws SOURCE_MISSING for a bucket that is not there, STORE_DENIED, STORE_UNREACHABLE, LAKE_INVALID
 */
export async function openLake(
  { config, pool }: Services,
  lake: PreparedLake,
  { touch, signal }: { touch: boolean; signal: AbortSignal },
): Promise<OpenLake> {
  const place = placeOf(lake.root, config.root, lake.s3);
  return transaction(pool, async (client) => {
    // Two producers may find it absent.
    await client.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`drayage lake ${lake.root}`]);
    let id = idOf(await place.read(MARK, signal), `${place.uri}/${MARK}`);
    if (id === undefined && touch) {
      id = randomUUID();
      await place.write(MARK, `${JSON.stringify({ version: 1, lake: id })}\n`, signal);
    }
    const columns = id === undefined ? new Map() : await datasetColumns(kyselyOnClient<ControlSchema>(client), id);
    return { root: lake.root, id, ledger: ledgerOf(id ?? randomUUID(), lake), columns };
  });
}

/** The lake of a run that has begun, for those who fill it. */
export async function lakeOfRun(
  { config, db }: Services,
  run: number,
  lake: PreparedLake,
): Promise<{ run: LakeRun; place: Place; ledger: Ledger }> {
  const found = await findLakeRun(db, run);
  if (!found) throw new DrayageError('JOB_CHANGED', `Run ${run} was not planned for a lake`, { where: { run } });
  return { run: found, place: placeOf(found.root, config.root, lake.s3), ledger: ledgerOf(found.lake, lake) };
}

function ledgerOf(id: string, { datasets }: PreparedLake): Ledger {
  return lakeLedger(
    id,
    datasets.map(({ dataset }) => dataset),
  );
}

function idOf(text: string | undefined, file: string): string | undefined {
  if (text === undefined) return undefined;
  try {
    const { version, lake } = JSON.parse(text);
    if (version === 1 && /^[0-9a-f-]{36}$/.test(lake)) return lake;
  } catch {
    // Told below.
  }
  throw new DrayageError('LAKE_INVALID', 'The file that names the lake cannot be used', {
    where: { file },
    hint: 'Restore it from a copy of the lake, or choose another root.',
  });
}
