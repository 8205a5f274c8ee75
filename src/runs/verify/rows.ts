import type { ClientBase } from 'pg';
import { rowToJson } from '../../arrow/row-json.ts';
import { DrayageError } from '../../base/errors.ts';
import type { ExcludedRow, LoadedPartition } from '../../control/verifications.ts';
import type { Route } from '../../model/route.ts';
import type { SourceBatch } from '../../model/sink.ts';
import type { PartitionPlan, RowFilter, SourceContext } from '../../model/source.ts';
import { Comparison, type Difference } from '../../sinks/compare.ts';
import { Intake } from '../../sinks/intake.ts';
import { type MappedColumn, mapColumns } from '../../sinks/mapping.ts';
import type { Stretch } from '../../sinks/row-copy.ts';
import type { PreparedJob } from '../prepare.ts';
import { type Opened, withPartition } from '../read.ts';
import type { Reading } from '../reading.ts';

/** What is read of a partition. */
export interface RowSource {
  prepared: PreparedJob;
  routes: readonly Route[];
  context: SourceContext;
  partition: LoadedPartition;
  /** Rows that its load has rejected. */
  excluded: readonly ExcludedRow[];
}

/** What is done with rows that are staged; see `Comparison`. */
export type Verdict = 'judge' | 'pardon';

/**
 * Comparisons of the tables of a job; one per table, and more of them when partitions differ in what they fill.
 * Everything lives as long as the caller's transaction.
 */
export class Comparisons {
  readonly #client: ClientBase;
  readonly #name: string;
  readonly #byColumns = new Map<string, Comparison>();
  /** Rows of which something wrong was taken back. */
  pardoned = 0;

  /** @param name tells the comparisons of one transaction apart; a word */
  constructor(client: ClientBase, name: string) {
    this.#client = client;
    this.#name = name;
  }

  all(): Comparison[] {
    return [...this.#byColumns.values()];
  }

  /** The one of the same table with the same columns, if there is one. */
  find({ table }: Pick<Route, 'table'>, columns: readonly { name: string }[]): Comparison | undefined {
    return this.#byColumns.get(identity(table.oid, columns));
  }

  /**
   * Reads a partition for a verdict, which may wait for rows of further partitions; `settle` gives what is left.
   * @param known whether only tables and columns count that were compared before
   * @returns how many rows were read
   */
  async add(source: RowSource, verdict: Verdict, options: { rows?: RowFilter | undefined; known?: boolean } = {}) {
    return withRows(source, async (opened) => {
      await spoolAll(opened, source, options.rows);
      let staged = 0;
      for (const route of source.routes) {
        const reading = await opened.reading(route, options.rows);
        const columns = mapColumns(reading.schema, route.table, route.target);
        const comparison = this.find(route, columns) ?? (options.known ? undefined : this.#add(route, columns));
        if (!comparison) continue;
        const rows = await stageRows(comparison, route, reading, columns, source);
        if (comparison.staged(source.partition.id, rows)) this.pardoned += Number((await comparison[verdict]()) ?? 0);
        staged += rows;
      }
      return staged;
    });
  }

  /** Gives a verdict on what still waits for one. */
  async settle(verdict: Verdict): Promise<void> {
    for (const comparison of this.all()) this.pardoned += Number((await comparison[verdict]()) ?? 0);
  }

  async counts() {
    const found = [];
    for (const comparison of this.all()) {
      for (const count of await comparison.counts()) found.push({ table: comparison.table.sql, ...count });
    }
    return found;
  }

  async differences(limit: number): Promise<Difference[]> {
    const found: Difference[] = [];
    for (const comparison of this.all()) found.push(...(await comparison.differences(limit - found.length)));
    return found;
  }

  #add({ table, target }: Route, columns: readonly MappedColumn[]): Comparison {
    const id = `${this.#name}_${this.#byColumns.size}`;
    const made = new Comparison(this.#client, table, target, columns, id);
    this.#byColumns.set(identity(table.oid, columns), made);
    return made;
  }
}

/** Whether it is about what is read, rather than about what is done with it. */
export function isOfSource(error: unknown): error is DrayageError {
  return error instanceof DrayageError && error.code.startsWith('SOURCE_');
}

function identity(oid: number, columns: readonly { name: string }[]): string {
  return [oid, ...columns.map(({ name }) => name)].join('\0');
}

/** What a route of the partition writes. */
export async function loadedColumns(source: RowSource): Promise<string[][]> {
  return withRows(source, async (opened) => {
    const columns: string[][] = [];
    for (const route of source.routes) {
      const { schema } = await opened.reading(route);
      columns.push(mapColumns(schema, route.table, route.target).map(({ name }) => name));
    }
    return columns;
  });
}

/**
 * Numbers of rows of the partition, chosen by chance.
 * @returns undefined when its rows have no numbers: then all of them are meant
 */
export async function chooseRows(source: RowSource, count: number): Promise<RowFilter | undefined> {
  return withRows(source, async (opened) => {
    await spoolAll(opened, source);
    const chosen: number[] = [];
    let seen = 0;
    let last: number | null = null;
    for (const route of source.routes) {
      const reading = await opened.reading(route);
      for await (const { batch, rowNumber } of reading.batches(false)) {
        for (let index = 0; index < batch.numRows; index++) {
          const number = rowNumber(index);
          if (number === null) return undefined;
          if (number === last) continue;
          last = number;
          seen++;
          const place = Math.floor(Math.random() * seen);
          if (chosen.length < count) chosen.push(number);
          else if (place < count) chosen[place] = number;
        }
      }
      if (seen > 0) break;
    }
    return chosen;
  });
}

function withRows<Result>(
  { prepared, partition, context }: RowSource,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const { key, fingerprint, spec } = partition;
  return withPartition(prepared.source, { key, fingerprint, spec: spec as PartitionPlan['spec'] }, context, use);
}

/** Records are taken apart as the load has done it; what it rejected is rejected again, and was kept then. */
async function spoolAll(opened: Opened, { routes }: RowSource, rows?: RowFilter): Promise<void> {
  const only = rows && new Map(routes.map(({ table }) => [table.sql, rows]));
  await opened.spool({ routes, only, keepRejects: async () => undefined, onProgress: () => undefined });
}

/** Brings what the load has brought into the table into the stage. @returns how many rows */
async function stageRows(
  comparison: Comparison,
  { table }: Route,
  reading: Reading,
  columns: readonly MappedColumn[],
  { excluded, partition }: RowSource,
): Promise<number> {
  const intake = new Intake(table.sql, columns, async () => undefined);
  const exclusion = new Exclusion(
    excluded,
    columns.map(({ position }) => position),
  );
  const copy = await comparison.stage(columns);
  let staged = 0;
  try {
    for await (const source of reading.batches(false)) {
      for (const stretch of intake.examine(source)) {
        for (const kept of exclusion.cut(stretch, source)) {
          await copy.send(kept);
          staged += kept.to - kept.from;
        }
      }
      if (intake.isFull) await intake.writeDown();
    }
    await copy.finish();
  } catch (error) {
    // What could be read is judged; a COPY that is given up would take the whole transaction with it.
    if (isOfSource(error)) comparison.staged(partition.id, await copy.finish());
    else await copy.abandon();
    throw error;
  }
  return staged;
}

/** Leaves out the rows that Postgres has refused: known by their numbers, or else by what they hold. */
class Exclusion {
  readonly #raw = new Map<string, number>();
  readonly #numbers = new Set<number>();
  readonly #unnumbered: boolean;
  readonly #positions: number[];

  constructor(excluded: readonly ExcludedRow[], positions: number[]) {
    this.#positions = positions;
    this.#unnumbered = excluded.some(({ row }) => row === null);
    for (const { row, raw } of excluded) {
      if (row !== null) this.#numbers.add(row);
      this.#raw.set(raw, (this.#raw.get(raw) ?? 0) + 1);
    }
  }

  *cut({ batch, from, to }: Stretch, source: SourceBatch): Generator<Stretch, void, undefined> {
    if (this.#raw.size === 0) {
      yield { batch, from, to };
      return;
    }
    let start = from;
    for (let index = from; index < to; index++) {
      if (!this.#excludes(source, index)) continue;
      if (index > start) yield { batch, from: start, to: index };
      start = index + 1;
    }
    if (to > start) yield { batch, from: start, to };
  }

  #excludes(source: SourceBatch, index: number): boolean {
    const number = source.rowNumber(index);
    if (!this.#unnumbered && (number === null || !this.#numbers.has(number))) return false;
    const raw = rowToJson(source.batch.selectAt(this.#positions), index);
    const left = this.#raw.get(raw) ?? 0;
    if (left > 0) this.#raw.set(raw, left - 1);
    return left > 0;
  }
}
