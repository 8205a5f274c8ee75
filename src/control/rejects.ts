import { type Selectable, sql } from 'kysely';
import type { Reject } from '../model/sink.ts';
import type { ControlDb, ControlSchema } from './db.ts';

/** With its row as text, since numbers may have more digits than JavaScript holds. */
export interface KeptReject extends Omit<Selectable<ControlSchema['drayage.rejects']>, 'raw'> {
  partition: string;
  file: string;
  raw: string;
}

/** Keeps rejects; part of the transaction that loads the rest of the partition. */
export async function insertRejects(
  db: ControlDb,
  runId: number,
  partitionId: number,
  rejects: readonly Reject[],
): Promise<void> {
  if (rejects.length === 0) return;
  const column = (field: (reject: Reject) => string | number | null) => rejects.map(field);
  await sql`
    insert into drayage.rejects (run_id, partition_id, table_name, row_number, column_name, reason, message, raw)
    select ${runId}, ${partitionId}, r.*
    from unnest(
      ${column(({ table }) => table)}::text[], ${column(({ row }) => row)}::bigint[],
      ${column(({ column: name }) => name)}::text[], ${column(({ reason }) => reason)}::text[],
      ${column(({ message }) => message.replaceAll('\0', '\\0'))}::text[], ${column(({ raw }) => raw)}::json[]
    ) as r`.execute(db);
}

/** @param limit at most this many, in the order of their rows in the files */
export function listRejects(db: ControlDb, runId: number, limit: number): Promise<KeptReject[]> {
  return db
    .selectFrom('drayage.rejects as r')
    .innerJoin('drayage.partitions as p', 'p.id', 'r.partition_id')
    .selectAll('r')
    .select(['p.key as partition', 'p.file'])
    .select(sql<string>`r.raw::text`.as('raw'))
    .where('r.run_id', '=', runId)
    .orderBy('r.partition_id')
    .orderBy('r.row_number')
    .limit(limit)
    .execute();
}

/** Up to `limit` rejects behind the one with the id `after`, with their rows as text. */
export function rejectPage(db: ControlDb, runId: number, after: number, limit: number) {
  return db
    .selectFrom('drayage.rejects as r')
    .innerJoin('drayage.partitions as p', 'p.id', 'r.partition_id')
    .select(['r.id', 'p.key as partition', 'p.file', 'r.table_name as table', 'r.row_number as row'])
    .select(['r.column_name as column', 'r.reason', 'r.message'])
    .select(sql<string>`r.raw::text`.as('raw'))
    .where('r.run_id', '=', runId)
    .where('r.id', '>', after)
    .orderBy('r.id')
    .limit(limit)
    .execute();
}

export interface RejectFilter {
  partition?: number | undefined;
  reason?: string | undefined;
  /** The empty text: none. */
  table?: string | undefined;
  column?: string | undefined;
  /** Only rejects behind this id. */
  after?: number | undefined;
}

/** Rejects of a run that the filter lets through, with their rows as text, in the order in which they were kept. */
export function listRejectPage(db: ControlDb, runId: number, filter: RejectFilter, limit: number) {
  const { partition, reason, table, column, after = 0 } = filter;
  return db
    .selectFrom('drayage.rejects as r')
    .innerJoin('drayage.partitions as p', 'p.id', 'r.partition_id')
    .select(['r.id', 'r.partition_id', 'p.key as partition', 'p.file', 'r.table_name as table', 'r.row_number as row'])
    .select(['r.column_name as column', 'r.reason', 'r.message', 'r.rejected_at'])
    .select(sql<string>`r.raw::text`.as('raw'))
    .where('r.run_id', '=', runId)
    .where('r.id', '>', after)
    .$if(partition !== undefined, (query) => query.where('r.partition_id', '=', partition!))
    .$if(reason !== undefined, (query) => query.where('r.reason', '=', reason!))
    .$if(table !== undefined, (query) => query.where('r.table_name', 'is not distinct from', table || null))
    .$if(column !== undefined, (query) => query.where('r.column_name', 'is not distinct from', column || null))
    .orderBy('r.id')
    .limit(limit)
    .execute();
}

export interface RejectGroup {
  table_name: string | null;
  column_name: string | null;
  reason: string;
  rows: number;
  example: string;
}

export async function summariseRejects(db: ControlDb, runId: number): Promise<RejectGroup[]> {
  const { rows } = await sql<RejectGroup>`
    select table_name, column_name, reason, rows, example from drayage.reject_summary
    where run = ${runId} order by rows desc`.execute(db);
  return rows;
}

/** The partitions of a run that have rejects. */
export async function partitionsWithRejects(db: ControlDb, runId: number): Promise<{ id: number; key: string }[]> {
  return db
    .selectFrom('drayage.partitions')
    .select(['id', 'key'])
    .where('run_id', '=', runId)
    .where('rows_rejected', '>', 0)
    .orderBy('id')
    .execute();
}

/** The rejects of a partition, which nobody else can load in the meantime. */
export function lockRejects(db: ControlDb, partitionId: number) {
  return db
    .selectFrom('drayage.rejects')
    .select(['id', 'table_name', 'row_number'])
    .where('partition_id', '=', partitionId)
    .orderBy('id')
    .forUpdate()
    .execute();
}

export async function clearRejects(db: ControlDb, ids: readonly number[]): Promise<void> {
  await sql`delete from drayage.rejects where id = any (${ids}::bigint[])`.execute(db);
}
