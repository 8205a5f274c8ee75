import { emptyBatch, isAligned, makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import { scan, schemaOf } from '../duckdb/scan.ts';
import { scanSlices, type WideRows } from '../duckdb/slices.ts';
import type { Turn } from '../duckdb/turns.ts';
import { type DuckColumn, quoteIdentifier } from '../duckdb/types.ts';
import type { SourceBatch } from '../model/sink.ts';
import {
  type OpenRelation,
  ReadAgain,
  ROW,
  type RowFilter,
  type SourceContext,
  type Unchecked,
} from '../model/source.ts';
import type { BatchTransform, Transform } from '../model/transform.ts';
import type { Arrangement } from '../sinks/arrange.ts';
import { compileSql } from '../transforms/sql.ts';

/** What a partition gives for one table. */
export interface Reading {
  /** The columns before they become Arrow, with the source's types, for the mapping that plans show. */
  columns: { name: string; type: string }[];
  /** Columns that are left out, and why. */
  skipped: Arrangement['skipped'];
  schema: Schema;
  /**
   * Starts the reading; may be called again to read once more.
   * @param keep whether batches stay good
   * @param mayUndo whether what became of them can be undone when they throw ReadAgain
   */
  batches(keep: boolean, mayUndo?: boolean): AsyncIterable<SourceBatch>;
  /** Reads only these columns; absent where a function of the job has to see them all. */
  only?: (names: readonly string[]) => AsyncIterable<SourceBatch>;
}

/** Makes ready what a table gets of a partition that DuckDB reads. */
export async function compile(
  transform: Transform | undefined,
  arranged: (columns: readonly DuckColumn[]) => Arrangement,
  partition: OpenRelation,
  rows: RowFilter | undefined,
  connection: DuckConnection,
  turn: Turn,
  { duck, signal }: SourceContext,
): Promise<Reading> {
  const row = quoteIdentifier(ROW);
  const relation = rows
    ? `select * from (${partition.relation}) where ${row} in (${rows.join(', ')})`
    : partition.relation;
  const found = await compileSql(connection, { ...partition, relation }, textOf(transform));
  const { columns, query: compiled, numbered } = found;
  const map = transform?.kind === 'batches' ? guarded(transform) : undefined;
  const { select, skipped } = arranged(columns);
  const expressions = select.map(({ name, expression }) => `${expression} as ${quoteIdentifier(name)}`);
  const list = expressions.join(', ');
  const asTheyAre = schemaAsTheyAre(select, columns);
  // Every value of every row, as it is.
  const whole = !transform && !rows && select.length === columns.length;
  const inPlace = asTheyAre && whole && select.every(({ name }, index) => name === columns[index]!.name);
  const queryOf = (from: string) => (inPlace ? from : `select ${list}${numbered ? `, ${row}` : ''} from (${from})`);
  const query = queryOf(compiled);
  const positions = select.map((_, position) => position);

  const { rows: known, wide, parts: some } = transform || rows ? {} : partition;
  const parts = some?.map((part) => ({ sql: queryOf(part.relation), rows: part.rows }));

  async function* batches(keep: boolean, mayUndo = false): AsyncGenerator<SourceBatch> {
    const unchecked = mayUndo && whole ? await partition.unchecked?.() : undefined;
    if (unchecked) return yield* atOnce(keep, unchecked);
    await partition.prepare?.(query, connection);
    yield* wide ? sliced(wide, keep) : scanned(keep, signal);
  }

  async function* atOnce(keep: boolean, { doubt, sure }: Unchecked): AsyncGenerator<SourceBatch> {
    let read = 0;
    try {
      for await (const one of scanned(keep, AbortSignal.any([signal, doubt]))) {
        read += one.batch.numRows;
        yield one;
      }
      if (await sure(read)) return;
    } catch (error) {
      const doubtful = doubt.aborted || (error instanceof DrayageError && !error.transient);
      if (signal.aborted || !doubtful) throw error;
    }
    await partition.prepare?.(query, connection);
    throw new ReadAgain();
  }

  async function* scanned(keep: boolean, until: AbortSignal): AsyncGenerator<SourceBatch> {
    const read = () => scan(connection, query, { signal: until, keep, rows: known, parts, turn });
    for await (const batch of parts ? turn.keeping(read) : read()) {
      const rowNumbers = numbered ? (batch.data.children.at(-1)!.values as BigInt64Array) : undefined;
      const selected: RecordBatch = rowNumbers && map ? batch.selectAt(positions) : batch;
      const result = map ? await map(selected) : selected;
      const aligned = rowNumbers && result.numRows === batch.numRows;
      yield { batch: result, rowNumber: (index) => (aligned ? Number(rowNumbers[index]) : null) };
    }
  }

  async function* sliced(some: WideRows, keep: boolean): AsyncGenerator<SourceBatch> {
    const slices = { ...some, select: expressions, schema, signal, keep };
    let next = some.first;
    for await (const batch of turn.over(() => scanSlices(duck, connection, turn, slices))) {
      const first = next;
      next += batch.numRows;
      yield { batch, rowNumber: (index) => first + index };
    }
  }

  async function* only(names: readonly string[]): AsyncGenerator<SourceBatch> {
    const some = `select ${names.map(quoteIdentifier).join(', ')} from (select ${list} from (${compiled}))`;
    await partition.prepare?.(some, connection);
    const batches = turn.over(() => scan(connection, some, { signal, keep: false }));
    for await (const batch of batches) yield { batch, rowNumber: () => null };
  }

  const read = asTheyAre ?? (await schemaOf(connection, `select ${list} from (${compiled})`));
  const schema = map ? (await map(emptyBatch(read))).schema : read;
  return { columns, skipped, schema, batches, ...(map ? {} : { only }) };
}

/** The schema of columns that are read as they are; asking DuckDB takes a tenth of a second when there are many. */
function schemaAsTheyAre(select: Arrangement['select'], columns: readonly DuckColumn[]): Schema | undefined {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const fields = select.flatMap(({ name, expression }) => {
    const field = expression === quoteIdentifier(name) ? byName.get(name)?.field : undefined;
    return field ? [field] : [];
  });
  return fields.length === select.length ? makeSchema(fields) : undefined;
}

/** The query that a transform in SQL is. */
export function textOf(transform: Transform | undefined): string | undefined {
  return transform?.kind === 'sql' ? transform.text : undefined;
}

/** The job's own function; what it throws is told as the transform's failure. */
function guarded({ map }: BatchTransform): BatchTransform['map'] {
  return async (batch) => {
    try {
      const made = await map(batch);
      if (isAligned(made)) return made;
      throw new Error('the columns of its batch have lost their places; use selectAt in the place of select');
    } catch (error) {
      throw new DrayageError('TRANSFORM_FAILED', `The function of the transform failed: ${(error as Error).message}`, {
        hint: 'Mend it in the job file; --verbose shows where it failed.',
        cause: error,
      });
    }
  };
}
