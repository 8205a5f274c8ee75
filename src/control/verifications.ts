import { sql } from 'kysely';
import type { ControlDb } from './db.ts';

export interface VerificationSummary {
  ok: boolean;
  method: string;
  verified_at: Date;
}

export async function keepVerification(
  db: ControlDb,
  run: number,
  { ok, method, report }: { ok: boolean; method: string; report: object },
): Promise<void> {
  await db
    .insertInto('drayage.verifications')
    .values({ run_id: run, ok, method, report: JSON.stringify(report) })
    .execute();
}

/** What the latest verification of a run came to. */
export function latestVerification(db: ControlDb, run: number): Promise<VerificationSummary | undefined> {
  return db
    .selectFrom('drayage.verifications')
    .select(['ok', 'method', 'verified_at'])
    .where('run_id', '=', run)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The latest verification of a run, with all that it found. */
export function latestVerificationReport(db: ControlDb, run: number) {
  return db
    .selectFrom('drayage.verifications')
    .select(['ok', 'method', 'verified_at', 'report'])
    .where('run_id', '=', run)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** A partition of a run whose content is in the tables, whichever run has brought it there. */
export interface LoadedPartition {
  id: number;
  key: string;
  fingerprint: string;
  spec: unknown;
  state: 'done' | 'skipped';
  rows_read: number;
  rows_rejected: number;
  /** With every digit, to go on from there. */
  finished_at: string;
}

/**
 * Partitions that are in the tables, in the order in which they were settled.
 * @param after the last one of the page before
 */
export async function loadedPartitions(
  db: ControlDb,
  run: number,
  after: LoadedPartition | undefined,
  limit: number,
): Promise<LoadedPartition[]> {
  const { rows } = await sql<LoadedPartition>`
    select id, key, fingerprint, spec, state, rows_read, rows_rejected, finished_at::text as finished_at
    from drayage.partitions
    where run_id = ${run} and state in ('done', 'skipped')
      and (finished_at, id) > (${after?.finished_at ?? '-infinity'}::timestamptz, ${after?.id ?? 0}::bigint)
    order by finished_at, id limit ${limit}`.execute(db);
  return rows;
}

/** Some partitions that are in the tables and had rows, by chance. */
export async function randomPartitions(db: ControlDb, run: number, limit: number): Promise<LoadedPartition[]> {
  const { rows } = await sql<LoadedPartition>`
    select id, key, fingerprint, spec, state, rows_read, rows_rejected, finished_at::text as finished_at
    from drayage.partitions
    where run_id = ${run} and (state = 'skipped' or (state = 'done' and rows_read > rows_rejected))
    order by random() limit ${limit}`.execute(db);
  return rows;
}

/**
 * Checksums that add up to that of the rows a run has, or has found, in these tables.
 * @param targets OIDs, as the ledger has them
 */
export async function sourceChecksums(db: ControlDb, run: number, targets: readonly number[]): Promise<string[]> {
  const { rows } = await sql<{ checksum: string }>`
    select checksum from drayage.partitions where run_id = ${run} and state = 'done' and checksum is not null
    union all
    select q.checksum from drayage.partitions p
    join drayage.loads l on l.fingerprint = p.fingerprint and l.targets = ${targets}::int8[]::oid[]
    join drayage.partitions q on q.run_id = l.run_id and q.key = l.partition_key
    where p.run_id = ${run} and p.state = 'skipped' and q.checksum is not null`.execute(db);
  return rows.map(({ checksum }) => checksum);
}

/** The contents that a run has found loaded already, page by page. */
export async function* skippedFingerprints(db: ControlDb, run: number, limit: number): AsyncGenerator<string[]> {
  for (let last = 0; ; ) {
    const rows = await db
      .selectFrom('drayage.partitions')
      .select(['id', 'fingerprint'])
      .where('run_id', '=', run)
      .where('state', '=', 'skipped')
      .where('id', '>', last)
      .orderBy('id')
      .limit(limit)
      .execute();
    if (rows.length > 0) yield rows.map(({ fingerprint }) => fingerprint);
    if (rows.length < limit) return;
    last = rows.at(-1)!.id;
  }
}

/** Checksums of all that was ever loaded into exactly these tables. */
export async function ledgerChecksums(db: ControlDb, targets: readonly number[]): Promise<string[]> {
  const { rows } = await sql<{ checksum: string }>`
    select q.checksum from drayage.loads l
    join drayage.partitions q on q.run_id = l.run_id and q.key = l.partition_key
    where l.targets = ${targets}::int8[]::oid[] and q.checksum is not null`.execute(db);
  return rows.map(({ checksum }) => checksum);
}

/** Runs after this one that have loaded into a table. */
export async function laterRuns(db: ControlDb, run: number, table: number): Promise<number[]> {
  const { rows } = await sql<{ run: number }>`
    select distinct run_id as run from drayage.loads
    where run_id > ${run} and targets @> array[${table}::int8::oid] order by run_id`.execute(db);
  return rows.map(({ run: later }) => later);
}

/** The runs that the ledger names for a content in a table; none when that was made anew. */
export async function loadersInto(db: ControlDb, fingerprint: string, table: number): Promise<number[]> {
  const { rows } = await sql<{ run: number }>`
    select run_id as run from drayage.loads
    where fingerprint = ${fingerprint} and targets @> array[${table}::int8::oid]`.execute(db);
  return rows.map(({ run }) => run);
}

/** Partitions of a run whose rows are not all accounted for. */
export async function unaccountedPartitions(db: ControlDb, run: number): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    select key from drayage.partitions
    where run_id = ${run} and state = 'done'
      and rows_read <> rows_written + rows_unchanged + rows_superseded + rows_rejected
    order by id limit 20`.execute(db);
  return rows.map(({ key }) => key);
}

/** A row that was kept aside when the partition was loaded, and so is not in its table. */
export interface ExcludedRow {
  table: string | null;
  row: number | null;
  raw: string;
}

/** What the load of a partition's content has rejected; for a skipped one that was an earlier partition's. */
export async function excludedRows(db: ControlDb, { id, state }: LoadedPartition): Promise<ExcludedRow[]> {
  const partition =
    state === 'done'
      ? sql`select ${id}::bigint`
      : sql`select q.id from drayage.partitions p join drayage.loads l on l.fingerprint = p.fingerprint
            join drayage.partitions q on q.run_id = l.run_id and q.key = l.partition_key where p.id = ${id}`;
  const { rows } = await sql<ExcludedRow>`
    select table_name as table, row_number as row, raw::text as raw from drayage.rejects
    where partition_id in (${partition})`.execute(db);
  return rows;
}
