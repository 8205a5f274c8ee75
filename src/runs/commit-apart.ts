import type pg from 'pg';
import { DrayageError } from '../base/errors.ts';
import { type Claimed, holdAll } from '../control/claims.ts';
import { noteCoercions } from '../control/coercions.ts';
import type { ControlDb, ControlSchema } from '../control/db.ts';
import { insertRejects } from '../control/rejects.ts';
import { type ApartLedger, apartLedger, type LoadKey, type StoredOutcome } from '../ledger/apart-loads.ts';
import { endPacks, limitIdleness, namePack, noticeDeath } from '../ledger/backends.ts';
import { tableLedger } from '../ledger/loads.ts';
import { clearOutbox, putRejects, waitingRejects } from '../ledger/outbox.ts';
import type { Route } from '../model/route.ts';
import { kyselyOnClient } from '../postgres/kysely.ts';
import { transaction } from '../postgres/tx.ts';
import type { Boss } from '../queue/boss.ts';
import {
  type Committed,
  type Course,
  claimLost,
  commitPack,
  keeperOf,
  type Load,
  type Pack,
  settlePack,
} from './commit.ts';
import { PackWatch } from './pack-watch.ts';
import { isApart, type Services } from './services.ts';

/** A pack whose tables are in another database. */
interface ApartPack extends Omit<Pack, 'ledger'> {
  ledger: ApartLedger;
}

/** With the name of the control database, as the ledger has it. */
interface NamedPack extends ApartPack {
  control: string;
}

interface Settling extends Committed {
  /** As it stands in the target; without one when the content was there already. */
  stored: StoredOutcome | undefined;
}

/**
 * The exactly-once protocol for tables that are in another database than the control rows. The target decides: what its
 * ledger says is true, and the control rows follow.
 *
 *  1. On the target, one transaction: end the connections of earlier attempts, enter the content into the ledger, load
 *     the rows; what the control rows have to say, rejects included, is kept beside the ledger. An attempt that lost its
 *     claim meanwhile stops here, and nothing is true.
 *  2. On the control database, one transaction: take the rejects over, and settle as ever, fenced by the attempts.
 *  3. Forget the rejects in the target. Whoever comes later may do it, too; at the latest the end of the run.
 *
 * When a worker dies between 1 and 2, the next attempt finds in the ledger what its own partition has come to, and goes
 * on with 2. A worker that was only frozen there is too late in 2.
 *
 * @throws as `commitPack`; nothing is committed in the control database then
 */
async function commitApart(
  { pool, target, db, identity }: Services,
  boss: Boss,
  given: ApartPack,
  load: Load,
  { signal, enough }: Omit<Course, 'named'>,
): Promise<Committed[]> {
  const control = await identity();
  const pack = { ...given, control };
  const { run, attempts } = pack;
  const watch = new PackWatch(target, pack.name);
  const named = () => watch.start();
  const loading = (client: pg.PoolClient) => loadPack(client, db, pack, load, { enough, named });
  const settling = await transaction(target, loading, AbortSignal.any([signal, watch.lost]))
    .catch((error) => {
      throw naming('target', error);
    })
    .finally(() => watch.stop());
  const follow = async (client: pg.PoolClient) => {
    await limitIdleness(client);
    await endPacks(client, lostPacks(pack));
    await namePack(client, pack.name);
    const tx = kyselyOnClient<ControlSchema>(client);
    for (const one of settling) await takeOver(tx, target, keyOf(pack, one.partition), one);
    await settlePack(client, boss, run, attempts, settling);
  };
  await transaction(pool, follow, signal).catch((error) => {
    throw naming('control', error);
  });
  const told = settling.filter(({ stored }) => stored && stored.rejects > 0).map(({ partition }) => partition.id);
  await clearOutbox(target, control, told).catch(() => undefined);
  return settling;
}

/** One transaction, or the protocol for two databases: whichever it takes to fill the tables of these routes. */
export function commitTables(
  services: Services,
  boss: Boss,
  { routes, ...pack }: Omit<Pack, 'ledger'> & { routes: readonly Route[] },
  load: Load,
  course: Course,
): Promise<Committed[]> {
  const tables = routes.map(({ table }) => table);
  if (isApart(services)) return commitApart(services, boss, { ...pack, ledger: apartLedger(tables) }, load, course);
  return commitPack(services.pool, boss, { ...pack, ledger: tableLedger(tables) }, load, course);
}

async function loadPack(
  client: pg.PoolClient,
  db: ControlDb,
  pack: NamedPack,
  load: Load,
  { enough, named }: Omit<Course, 'signal'>,
): Promise<Settling[]> {
  await noticeDeath(client);
  await endPacks(client, lostPacks(pack));
  await namePack(client, pack.name);
  named();
  // After the name is shown: whoever takes a partition over from here on can end this connection.
  const partitions = pack.attempts.map(({ partition }) => partition);
  if (!(await holdAll(db, partitions))) throw claimLost();
  const settling: Settling[] = [];
  for (const partition of partitions) {
    settling.push(await loadOnce(client, pack, partition, load));
    if (enough()) break;
  }
  const loaded = partitions.slice(0, settling.length);
  if (!(await holdAll(db, loaded))) throw claimLost();
  return settling;
}

async function loadOnce(client: pg.PoolClient, pack: NamedPack, partition: Claimed, load: Load): Promise<Settling> {
  const { run, ledger } = pack;
  const { fingerprint, attempt } = partition;
  const key = keyOf(pack, partition);
  const entry = { fingerprint, job: run.job, partition: partition.key, run: run.id, key, attempt };
  const found = await ledger.enter(client, entry, run.forced);
  if (found === 'other') return { partition, outcome: undefined, stored: undefined };
  if (found !== 'entered') {
    return { partition, outcome: { ...found, coercions: new Map(found.coercions) }, stored: found };
  }
  let rejects = 0;
  const keeper = keeperOf(pack, partition, async (some) => {
    await putRejects(client, key, some);
    rejects += some.length;
  });
  const outcome = await load(client, partition, keeper.keep);
  keeper.assertWithin(outcome);
  const stored = { ...outcome, coercions: [...outcome.coercions], rejects };
  await ledger.complete(client, fingerprint, stored);
  return { partition, outcome, stored };
}

/** Brings what the target keeps for the control database there. */
async function takeOver(tx: ControlDb, target: pg.Pool, key: LoadKey, { stored }: Settling): Promise<void> {
  if (!stored) return;
  const { run, partition } = key;
  let taken = 0;
  if (stored.rejects > 0) {
    for await (const rejects of waitingRejects(target, key)) {
      await insertRejects(tx, run, partition, rejects);
      taken += rejects.length;
    }
  }
  if (taken !== stored.rejects) {
    throw new DrayageError('ROWS_UNACCOUNTED', `${stored.rejects} rows were rejected, and the target keeps ${taken}`);
  }
  for (const [table, coercions] of stored.coercions) await noteCoercions(tx, { run, partition, table }, coercions);
}

function keyOf({ control, run }: NamedPack, { id }: Pick<Claimed, 'id'>): LoadKey {
  return { control, run: run.id, partition: id };
}

const lostPacks = ({ attempts }: ApartPack) => attempts.flatMap(({ partition }) => partition.lost_pack ?? []);

/** Says which of the two databases failed. */
function naming(which: 'target' | 'control', error: unknown): unknown {
  if (!(error instanceof DrayageError) || error.code !== 'DATABASE_FAILED') return error;
  const { code, message, where, hint, cause } = error;
  const told = message.replace('The database', `The ${which} database`);
  return new DrayageError(code, told, { where, ...(hint === undefined ? {} : { hint }), cause });
}
