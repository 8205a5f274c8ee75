import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from '../arrow/batch.ts';
import { BatchSpool } from '../arrow/spool.ts';
import { DrayageError } from '../base/errors.ts';
import { Sweeper, sweepAll } from '../base/memory.ts';
import type { Route } from '../model/route.ts';
import type { KeepRejects, LoadCounts, Reject, SourceBatch, Warning } from '../model/sink.ts';
import type { OpenRecords, RowFilter, SourceContext, SourceFault, SourceRecord } from '../model/source.ts';
import type { RecordTransform } from '../model/transform.ts';
import { type GivenRow, type Outcome, type Problem, RecordMapper } from '../transforms/records.ts';
import { type RecordShape, shapeOf } from './record-shape.ts';

/** Rejects held in memory before they are written down. */
const REJECTS_HELD = 1000;
/** Rows of a table that become a batch together, and bytes at which they do so sooner. */
const BATCH_ROWS = 1024;
const BATCH_BYTES = 2 * 1024 * 1024;
/** Records are many small objects, and V8 lets as many lie about as there is memory. Tiny partitions leave next to none. */
const SWEEP_EVERY_MS = 500;
const SWEEP_FROM_BYTES = 1024 * 1024;
/** Of records that were spooled since, whatever the partition. */
let unsweptBytes = 0;
/** Warnings of a partition that are kept; of the others only the count. */
const WARNINGS_KEPT = 100;

export interface RecordsRequest {
  routes: readonly Route[];
  keepRejects: KeepRejects;
  /** Told how many records were read. */
  onProgress: (records: number) => void;
  /** By table, the only records that are wanted; tables without an entry get none. */
  only?: ReadonlyMap<string, RowFilter> | undefined;
  /** In a replay: records that were rejected as a whole, so that none of their rows is in a table. */
  wholly?: ReadonlySet<number> | undefined;
}

/** The rows that the records of a partition became, by table, until they are loaded. */
export interface Spooled {
  /** Rejects so far: records, and rows that do not fit. */
  counts: LoadCounts;
  warnings: Warning[];
  batches(route: Route): AsyncIterable<SourceBatch>;
  close(): Promise<void>;
}

/**
 * Reads all records once, and spools the rows that they become, for each table: the tables are filled one after the
 * other, and records may be too many to keep and too expensive to read again.
 */
export async function spoolRecords(
  partition: OpenRecords<unknown>,
  request: RecordsRequest,
  { spool, signal }: SourceContext,
): Promise<Spooled> {
  const spooler = new Spooler(join(spool, `records-${randomUUID()}`), request, signal);
  try {
    for await (const record of partition.records()) {
      signal.throwIfAborted();
      await spooler.add(record);
    }
    await spooler.finish();
    return spooler;
  } catch (error) {
    await spooler.close();
    throw error;
  }
}

interface Waiting extends GivenRow {
  record: SourceRecord<unknown>;
}

class Spooler implements Spooled {
  readonly counts: LoadCounts = { read: 0, written: 0, unchanged: 0, superseded: 0, rejected: 0 };
  readonly warnings: Warning[] = [];
  readonly #folder: string;
  readonly #request: RecordsRequest;
  readonly #signal: AbortSignal;
  readonly #wanted: readonly (ReadonlySet<number> | undefined)[] | undefined;
  readonly #tables: { route: Route; shape: RecordShape; spool: BatchSpool; waiting: Waiting[]; bytes: number }[];
  readonly #mapper: RecordMapper;
  readonly #sweeper = new Sweeper();
  #records = 0;
  #held: Reject[] = [];
  #unkept = 0;

  constructor(folder: string, request: RecordsRequest, signal: AbortSignal) {
    this.#folder = folder;
    this.#signal = signal;
    this.#request = request;
    const { routes, only } = request;
    this.#wanted = only && routes.map(({ table }) => (only.has(table.sql) ? new Set(only.get(table.sql)) : undefined));
    this.#tables = routes.map((route, index) => {
      const spool = new BatchSpool(join(folder, `${index}.arrow`));
      return { route, shape: shapeOf(route), spool, waiting: [], bytes: 0 };
    });
    const transform = routes[0]!.transform as RecordTransform;
    this.#mapper = new RecordMapper(
      transform,
      this.#tables.map(({ shape }) => shape),
    );
  }

  async add(record: SourceRecord<unknown> | SourceFault): Promise<void> {
    this.#request.onProgress(++this.#records);
    if (this.#wanted?.every((rows) => !rows?.has(record.row))) return;
    if ('reason' in record) {
      const { row, raw, ...problem } = record;
      return this.#reject({ ...problem, column: null }, row, raw, null);
    }
    const outcome = await this.#mapper.apply(record.value);
    this.#warn(outcome, record.row);
    if (outcome.rejected) return this.#reject(outcome.rejected, record.row, record.raw(), null);
    for (const row of this.#rowsWanted(outcome.rows, record.row)) await this.#place(row, record);
  }

  async finish(): Promise<void> {
    this.#mapper.assertNothingLate();
    for (const index of this.#tables.keys()) await this.#flush(index);
    if (this.#held.length > 0) await this.#writeDown();
    if (this.#unkept > 0) this.warnings.push({ row: null, message: `${this.#unkept} more warnings` });
  }

  async *batches(route: Route): AsyncGenerator<SourceBatch> {
    const { spool, shape } = this.#tables.find((table) => table.route === route)!;
    let left = spool.count;
    for await (const spooled of spool.batches()) {
      this.#signal.throwIfAborted();
      yield { ...shape.sourceBatch(spooled), last: --left === 0 };
    }
  }

  async close(): Promise<void> {
    const files = await Promise.all(this.#tables.map(({ spool }) => spool.close()));
    if (files.includes(true)) await rm(this.#folder, { recursive: true, force: true });
  }

  /** In a replay only some tables wait for a record, and a row of it may be in its table already. */
  #rowsWanted(rows: readonly GivenRow[], record: number): readonly GivenRow[] {
    if (!this.#wanted) return rows;
    const wanted = rows.filter(({ table }) => this.#wanted![table]?.has(record));
    if (!this.#request.wholly || this.#request.wholly.has(record)) return wanted;
    for (const [index, { route }] of this.#tables.entries()) {
      const several = wanted.filter(({ table }) => table === index).length > 1;
      if (!several || route.target.mode !== 'append') continue;
      throw new DrayageError('REPLAY_REFUSED', 'A record gives several rows for a table that is only appended to', {
        where: { table: route.table.sql, row: record },
        hint: 'Some of them may be in it already. Give the table a key and mode upsert, or load the rows by hand.',
      });
    }
    return wanted;
  }

  async #place(row: GivenRow, record: SourceRecord<unknown>): Promise<void> {
    const table = this.#tables[row.table]!;
    if (row.problem) return this.#reject(row.problem, record.row, record.raw(), table.route.table.sql);
    table.waiting.push({ ...row, record });
    table.bytes += row.bytes;
    if (table.waiting.length >= BATCH_ROWS || table.bytes >= BATCH_BYTES) await this.#flush(row.table);
  }

  /** What the encoders would refuse is refused here, while the record that it came from is still at hand. */
  async #flush(index: number): Promise<void> {
    const table = this.#tables[index]!;
    const { waiting, shape, route } = table;
    if (waiting.length === 0) return;
    this.#sweeper.done(table.bytes);
    unsweptBytes += table.bytes;
    if (unsweptBytes >= SWEEP_FROM_BYTES) {
      unsweptBytes = 0;
      sweepAll(SWEEP_EVERY_MS);
    }
    table.waiting = [];
    table.bytes = 0;
    const batch = shape.batch(
      waiting.map(({ cells }) => cells),
      waiting.map(({ record }) => record.row),
    );
    const faults = shape.check(batch);
    for (const { row, ...problem } of faults) {
      const { record } = waiting[row]!;
      await this.#reject(problem, record.row, record.raw(), route.table.sql);
    }
    const bad = new Set(faults.map(({ row }) => row));
    const good = bad.size === 0 ? batch : shape.without(batch, bad);
    if (good.numRows > 0) await table.spool.write(good as RecordBatch);
  }

  async #reject(problem: Problem, row: number, raw: string, table: string | null): Promise<void> {
    this.counts.read++;
    this.counts.rejected++;
    this.#held.push({ ...problem, table, row, raw });
    const { most = Number.POSITIVE_INFINITY } = this.#request.keepRejects;
    if (this.#held.length >= REJECTS_HELD || this.counts.rejected > most) await this.#writeDown();
  }

  async #writeDown(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    await this.#request.keepRejects(held, this.counts.rejected);
  }

  #warn({ warnings }: Outcome, row: number): void {
    for (const message of warnings) {
      if (this.warnings.length < WARNINGS_KEPT) this.warnings.push({ row, message });
      else this.#unkept++;
    }
  }
}
