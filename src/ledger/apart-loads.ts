import type { ClientBase, Pool } from 'pg';
import type { Coercion, LoadCounts, Warning } from '../model/sink.ts';
import type { LedgerEntry, LedgerTable } from './ledger.ts';
import { epochOf, OUTLIVED, tableLedger } from './loads.ts';

/** Names a load in a target database that several control databases may use. */
export interface LoadKey {
  control: string;
  run: number;
  /** The partition's id in the control database. */
  partition: number;
}

/** What the control database has to be told of a load. */
export interface StoredOutcome extends LoadCounts {
  checksum: string;
  /** By table, what the rows lost by permission. */
  coercions: [table: string, coercions: readonly Coercion[]][];
  warnings: readonly Warning[];
  /** Rows of `drayage.outbox_rejects`. */
  rejects: number;
}

export interface ApartEntry extends LedgerEntry {
  key: LoadKey;
  attempt: number;
}

/** The ledger of tables in a database apart from the control database. */
export interface ApartLedger {
  find(client: ClientBase | Pool, fingerprints: readonly string[]): Promise<Set<string>>;
  /**
   * Enters a load before its rows are sent. Another transaction that is loading the same content is waited for.
   * @param again whether an entry of another run is taken over rather than respected
   * @returns what an earlier attempt at the same partition of the same run came to, whose rows are therefore there;
   *   `other` when the content is there otherwise
   */
  enter(client: ClientBase, entry: ApartEntry, again: boolean): Promise<'entered' | 'other' | StoredOutcome>;
  /** Completes an entry with what the load came to. */
  complete(client: ClientBase, fingerprint: string, outcome: StoredOutcome): Promise<void>;
}

export function apartLedger(tables: readonly LedgerTable[]): ApartLedger {
  const targets = tables.map(({ oid }) => oid);
  return {
    find: tableLedger(tables).find,
    async enter(client, { fingerprint, job, partition, run, key, attempt }, again) {
      const { rowCount } = await client.query(
        `insert into drayage.loads as l
           (fingerprint, targets, job, partition_key, run_id, control, partition_id, attempt, epoch)
         values ($1, $2::int8[]::oid[], $3, $4, $5, $6, $7, $8, ${epochOf(tables)})
         on conflict (fingerprint, targets) do update set
           job = excluded.job, partition_key = excluded.partition_key, run_id = excluded.run_id, control = excluded.control,
           partition_id = excluded.partition_id, attempt = excluded.attempt, outcome = null, checksum = null, epoch = excluded.epoch,
           loaded_at = now()
         where ($9 and (l.control, l.run_id) is distinct from (excluded.control, excluded.run_id)) or ${OUTLIVED}`,
        [fingerprint, targets, job, partition, run, key.control, key.partition, attempt, again],
      );
      if (rowCount === 1) return 'entered';
      const { rows } = await client.query<{ outcome: StoredOutcome }>(
        `select outcome from drayage.loads where fingerprint = $1 and targets = $2::int8[]::oid[]
           and control = $3 and run_id = $4 and partition_id = $5 and outcome is not null`,
        [fingerprint, targets, key.control, key.run, key.partition],
      );
      return rows[0]?.outcome ?? 'other';
    },
    async complete(client, fingerprint, outcome) {
      await client.query(
        `update drayage.loads set rows_written = $3, checksum = $4, outcome = $5
         where fingerprint = $1 and targets = $2::int8[]::oid[]`,
        [fingerprint, targets, outcome.written, outcome.checksum, JSON.stringify(outcome)],
      );
    },
  };
}

/** Checksums of what was loaded into exactly these tables. @param fingerprints undefined for all of it */
export async function loadedChecksums(
  target: Pool,
  targets: readonly number[],
  fingerprints?: readonly string[],
): Promise<string[]> {
  const { rows } = await target.query<{ checksum: string }>(
    `select checksum from drayage.loads where targets = $1::int8[]::oid[] and checksum is not null
       and ($2::text[] is null or fingerprint = any ($2))`,
    [targets, fingerprints ?? null],
  );
  return rows.map(({ checksum }) => checksum);
}

/** Runs of a control database after this one that have loaded into a table. */
export async function laterLoads(
  target: Pool,
  { control, run }: Pick<LoadKey, 'control' | 'run'>,
  table: number,
): Promise<number[]> {
  const { rows } = await target.query<{ run: number }>(
    `select distinct run_id as run from drayage.loads
     where control = $1 and run_id > $2 and targets @> array[$3::int8::oid] order by run_id`,
    [control, run, table],
  );
  return rows.map(({ run: later }) => later);
}

/** The partitions of a control database whose load has brought this content. */
export async function loadersOf(target: Pool, control: string, fingerprint: string): Promise<number[]> {
  const { rows } = await target.query<{ partition: number }>(
    `select partition_id as partition from drayage.loads where control = $1 and fingerprint = $2`,
    [control, fingerprint],
  );
  return rows.map(({ partition }) => partition);
}

/** How a target database is called by the runs that fill it: a UUID. */
export async function identityOfTarget(target: Pool): Promise<string> {
  const { rows } = await target.query<{ id: string }>('select id from drayage.target');
  return rows[0]!.id;
}

/** Counts rows that a merge has deleted; part of the transaction that deletes them. */
export async function addDeletion(client: ClientBase, control: string, run: number, rows: number): Promise<void> {
  await client.query(
    `insert into drayage.deletions as d (control, run_id, rows) values ($1, $2, $3)
     on conflict (control, run_id) do update set rows = d.rows + excluded.rows`,
    [control, run, rows],
  );
}

/** @returns how many rows the merge of a run has deleted */
export async function deletedBy(target: Pool, control: string, run: number): Promise<number> {
  const { rows } = await target.query<{ rows: number }>(
    'select rows from drayage.deletions where control = $1 and run_id = $2',
    [control, run],
  );
  return rows[0]?.rows ?? 0;
}
