import { sql } from 'kysely';
import type { PartitionState } from '../model/state.ts';
import type { ControlDb } from './db.ts';
import { likePattern } from './run-list.ts';

/** A row of drayage.partition_progress. */
export interface PartitionProgress {
  run: number;
  partition_id: number;
  partition: string;
  file: string;
  state: PartitionState;
  attempt: number;
  failures: number;
  worker: string | null;
  rows_planned: number | null;
  rows_read: number;
  rows_written: number;
  rows_unchanged: number;
  rows_superseded: number;
  rows_rejected: number;
  bytes_planned: number | null;
  checksum: string | null;
  error_code: string | null;
  error: string | null;
  warnings: { row: number | null; message: string }[];
  started_at: Date | null;
  finished_at: Date | null;
  seconds: number | null;
}

export interface PartitionFilter {
  states: readonly PartitionState[];
  /** A part of the key. */
  search?: string | undefined;
  /** Only partitions behind this id, and up to the other. */
  after?: number | undefined;
  upTo?: number | undefined;
}

/**
 * Partitions of a run in the order of their ids, however many there are: one walk along an index per state; a search
 * has to read every key, and does that once.
 */
export async function listPartitions(
  db: ControlDb,
  run: number,
  { states, search, after = 0, upTo }: PartitionFilter,
  limit: number,
): Promise<PartitionProgress[]> {
  const within = sql`p.run_id = ${run} and p.id > ${after} ${upTo ? sql`and p.id <= ${upTo}` : sql``}`;
  const chosen = search
    ? sql<{ id: number }>`
        select p.id from drayage.partitions p
        where ${within} and p.state = any (${states}::text[]) and p.key ilike ${likePattern(search)}
        order by p.id limit ${limit}`
    : sql<{ id: number }>`
        select one.id from unnest(${states}::text[]) wanted (state)
        cross join lateral (
          select p.id from drayage.partitions p where ${within} and p.state = wanted.state order by p.id limit ${limit}
        ) one
        order by one.id limit ${limit}`;
  return inOrder(db, (await chosen.execute(db)).rows);
}

/** The view tells the time, so that Postgres would make all of it for a join; ids that are known it looks up. */
async function inOrder(db: ControlDb, chosen: readonly { id: number }[]): Promise<PartitionProgress[]> {
  if (chosen.length === 0) return [];
  const ids = chosen.map(({ id }) => id);
  const { rows } = await sql<PartitionProgress>`
    select * from drayage.partition_progress where partition_id = any (${ids}::bigint[])`.execute(db);
  const found = new Map(rows.map((row) => [row.partition_id, row]));
  return ids.flatMap((id) => found.get(id) ?? []);
}

/** Those that took longest, the longest first. */
export async function slowestPartitions(db: ControlDb, run: number, limit: number): Promise<PartitionProgress[]> {
  const { rows } = await sql<{ id: number }>`
    select id from drayage.partitions where run_id = ${run} and state = 'done'
    order by finished_at - started_at desc limit ${limit}`.execute(db);
  return inOrder(db, rows);
}

export async function findPartition(db: ControlDb, run: number, id: number): Promise<PartitionProgress | undefined> {
  const { rows } = await sql<PartitionProgress>`
    select * from drayage.partition_progress where run = ${run} and partition_id = ${id}`.execute(db);
  return rows[0];
}

/** How many partitions of a stretch of ids are in a state. */
export interface Block {
  block: number;
  state: PartitionState;
  partitions: number;
}

export interface Blocks {
  first: number;
  /** Ids per block. */
  size: number;
  blocks: Block[];
}

/**
 * The states of all partitions of a run, by stretches of their ids: they are numbered in the order of the source.
 * @param most blocks at most; runs planned at the same time share the numbers, so that some may be empty
 */
export async function partitionBlocks(db: ControlDb, run: number, most: number): Promise<Blocks> {
  const range = await sql<{ first: number | null; last: number | null }>`
    select min(one.first) as first, max(one.last) as last
    from unnest(array['pending', 'running', 'done', 'skipped', 'failed', 'cancelled']) wanted (state)
    cross join lateral (
      select min(id) as first, max(id) as last from drayage.partitions where run_id = ${run} and state = wanted.state
    ) one`.execute(db);
  const { first, last } = range.rows[0]!;
  if (first === null || last === null) return { first: 0, size: 1, blocks: [] };
  const size = Math.ceil((last - first + 1) / most);
  const { rows: blocks } = await sql<Block>`
    select (id - ${first}::bigint) / ${size}::bigint as block, state, count(*) as partitions
    from drayage.partitions where run_id = ${run} group by 1, 2`.execute(db);
  return { first, size, blocks };
}
