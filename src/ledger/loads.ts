import type { ClientBase, Pool } from 'pg';

/** Identifies content in tables: the same again in the same tables is not loaded. */
export interface LoadKey {
  fingerprint: string;
  /** OIDs of the target tables. */
  targets: readonly number[];
}

export interface LoadEntry extends LoadKey {
  job: string;
  partition: string;
  run: number;
}

/**
 * Enters a load before its rows are sent. Another transaction that is loading the same content is waited for.
 * @param again whether an entry of an earlier run is taken over rather than respected
 * @returns false when the content is there already
 */
export async function enterLoad(client: ClientBase, entry: LoadEntry, again: boolean): Promise<boolean> {
  const { rowCount } = await client.query(
    `insert into drayage.loads as l (fingerprint, targets, job, partition_key, run_id)
     values ($1, $2::int8[]::oid[], $3, $4, $5)
     on conflict (fingerprint, targets) do update set run_id = excluded.run_id, loaded_at = now()
       where $6 and l.run_id <> excluded.run_id`,
    [entry.fingerprint, entry.targets, entry.job, entry.partition, entry.run, again],
  );
  return rowCount === 1;
}

export interface CompletedLoad {
  fingerprint: string;
  written: number;
  checksum: string;
}

/** Completes entries with what the loads came to. */
export async function completeLoads(
  client: ClientBase,
  targets: readonly number[],
  loads: readonly CompletedLoad[],
): Promise<void> {
  if (loads.length === 0) return;
  await client.query(
    `update drayage.loads l set rows_written = c.written, checksum = c.checksum
     from jsonb_to_recordset($1::jsonb) as c (fingerprint text, written bigint, checksum text)
     where l.fingerprint = c.fingerprint and l.targets = $2::int8[]::oid[]`,
    [JSON.stringify(loads), targets],
  );
}

/** Which of these contents are in the tables. */
export async function findLoads(
  client: ClientBase | Pool,
  fingerprints: readonly string[],
  targets: readonly number[],
): Promise<Set<string>> {
  const { rows } = await client.query<{ fingerprint: string }>(
    `select fingerprint from drayage.loads where fingerprint = any ($1) and targets = $2::int8[]::oid[]`,
    [fingerprints, targets],
  );
  return new Set(rows.map(({ fingerprint }) => fingerprint));
}
