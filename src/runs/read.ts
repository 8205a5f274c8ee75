import { emptyBatch, isAligned, makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/instance.ts';
import { scan, schemaOf } from '../duckdb/scan.ts';
import type { Turn } from '../duckdb/turns.ts';
import { type DuckColumn, quoteIdentifier } from '../duckdb/types.ts';
import type { Route } from '../model/route.ts';
import type { SourceBatch, Warning } from '../model/sink.ts';
import {
  type OpenPartition,
  type OpenRecords,
  type OpenRelation,
  type PartitionPlan,
  ReadAgain,
  ROW,
  type RowFilter,
  type Source,
  type SourceContext,
  type SourceFault,
  type Unchecked,
} from '../model/source.ts';
import type { BatchTransform, Transform } from '../model/transform.ts';
import { type Arrangement, arrange, arrangeAll } from '../sinks/arrange.ts';
import { type Compiled, compileSql } from '../transforms/sql.ts';
import { shapeOf } from './record-shape.ts';
import { type RecordsRequest, type Spooled, spoolRecords } from './records.ts';
import { rowsAsRecords } from './row-records.ts';

/** A partition that is open, for one table after the other. */
export interface Opened {
  /** What the transform gives, before it is brought into the form that a table takes. */
  columns(transform: Transform | undefined): Promise<(DuckColumn & { declared?: string | undefined })[]>;
  /** The query that a transform in SQL is, or the relation itself. @throws TRANSFORM_INVALID for records */
  query(transform: Transform | undefined): Promise<OpenQuery>;
  /** As the relation's own, for the query that is the relation itself. */
  unchecked?(): Promise<Unchecked | undefined>;
  /** What goes into a table; of several readings only the latest can be read from. */
  reading(route: Route, rows?: RowFilter): Promise<Reading>;
  /** What a function over batches gives, for a lake. @throws TRANSFORM_FAILED, TYPE_UNMAPPED */
  mapped(transform: BatchTransform): Promise<Reading>;
  /**
   * Takes all records apart, once, for all tables; needed before anything is read of them. Those of the latest time are
   * read. @returns undefined for rows, which need no such thing
   */
  spool(request: RecordsRequest): Promise<Spooled | undefined>;
  faults(): AsyncIterable<SourceFault>;
  assertUnchanged(): Promise<void>;
  /** What is to be known about how it was read. */
  warnings(): Warning[];
}

/** A query that DuckDB can run on its own. */
export interface OpenQuery extends Compiled {
  connection: DuckConnection;
  /** To be called with a query over it before that is run, so that no more is fetched than it needs. */
  prepare(query: string): Promise<void>;
}

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

/** Opens a partition for `use`; everything is closed afterwards. */
export async function withPartition<Result>(
  source: Source,
  plan: Pick<PartitionPlan, 'key' | 'fingerprint' | 'spec'>,
  context: SourceContext,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const partition = await source.open(plan, context);
  try {
    if ('records' in partition) return await withRecords(partition, context, use);
    return await context.duck.useInTurn((partition.memoryBytes ?? 0) / 1e6, async (connection, turn) => {
      const { faults, assertUnchanged, unchecked } = partition;
      let spooled: Spooled | undefined;
      const opened: Opened = {
        async columns(transform) {
          const { columns } = await compileSql(connection, partition.relation, textOf(transform));
          return transform
            ? columns
            : columns.map((column) => ({ ...column, declared: partition.declared?.[column.name] }));
        },
        async query(transform) {
          await turn.take();
          const compiled = await compileSql(connection, partition.relation, textOf(transform));
          return { ...compiled, connection, prepare: async (query) => partition.prepare?.(query, connection) };
        },
        async reading(route, rows) {
          if (route.transform?.kind === 'records') return spooledReading(route, () => spooled!);
          const { table, target, siblings } = route;
          const arranged = (columns: readonly DuckColumn[]) =>
            route.transform?.kind === 'batches'
              ? arrangeAll(columns, table)
              : arrange(columns, table, target, siblings);
          return compile(route.transform, arranged, partition, rows, connection, turn, context.signal);
        },
        mapped: (transform) =>
          compile(transform, (columns) => arrangeAll(columns), partition, undefined, connection, turn, context.signal),
        async spool(request) {
          if (request.wholly && partition.replayable === false) throw notReplayable();
          if (!request.routes.some(({ transform }) => transform?.kind === 'records')) return undefined;
          await spooled?.close();
          await turn.take();
          spooled = await spoolRecords(rowsAsRecords(partition, connection, context.signal), request, context);
          await turn.giveBack();
          return spooled;
        },
        // A function meets them in the place of the records that they are.
        faults: () => (spooled ? nothing() : faults()),
        assertUnchanged,
        warnings: () => warningsOf(partition),
        ...(unchecked ? { unchecked } : {}),
      };
      try {
        return await use(opened);
      } finally {
        await spooled?.close();
      }
    });
  } finally {
    await partition.close();
  }
}

async function withRecords<Result>(
  records: OpenRecords<unknown>,
  context: SourceContext,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  let spooled: Spooled | undefined;
  try {
    return await use({
      columns: () => Promise.reject(needsFunction()),
      query: () => Promise.reject(needsFunction()),
      async reading(route) {
        if (route.transform?.kind !== 'records') throw needsFunction();
        return spooledReading(route, () => spooled!);
      },
      mapped: () => Promise.reject(needsFunction()),
      async spool(request) {
        if (request.wholly && records.replayable === false) throw notReplayable();
        await spooled?.close();
        spooled = await spoolRecords(records, request, context);
        return spooled;
      },
      faults: nothing,
      assertUnchanged: () => records.assertUnchanged(),
      warnings: () => warningsOf(records),
    });
  } finally {
    await spooled?.close();
  }
}

async function* nothing(): AsyncGenerator<never> {}

function warningsOf(partition: OpenPartition): Warning[] {
  return (partition.warnings?.() ?? []).map((message) => ({ row: null, message }));
}

function spooledReading(route: Route, spooled: () => Spooled): Reading {
  const { columns, schema } = shapeOf(route);
  const given = columns.map(({ name }) => ({ name, type: 'record' }));
  return { columns: given, skipped: [], schema, batches: () => spooled().batches(route) };
}

function notReplayable(): DrayageError {
  return new DrayageError(
    'REPLAY_REFUSED',
    'The source may have changed since, so that records have other numbers now',
    {
      hint: 'Run the job again: with mode upsert, rows that are loaded already are left alone.',
    },
  );
}

function needsFunction(): DrayageError {
  return new DrayageError('TRANSFORM_INVALID', 'The source gives records, which only a function can take apart', {
    hint: 'Write transform: (record, emit) => { emit.my_table({ … }) }; see docs/writing-a-job.md.',
  });
}

async function compile(
  transform: Transform | undefined,
  arranged: (columns: readonly DuckColumn[]) => Arrangement,
  partition: OpenRelation,
  rows: RowFilter | undefined,
  connection: DuckConnection,
  turn: Turn,
  signal: AbortSignal,
): Promise<Reading> {
  const row = quoteIdentifier(ROW);
  const relation = rows
    ? `select * from (${partition.relation}) where ${row} in (${rows.join(', ')})`
    : partition.relation;
  const { columns, query: compiled, numbered } = await compileSql(connection, relation, textOf(transform));
  const map = transform?.kind === 'batches' ? guarded(transform) : undefined;
  const { select, skipped } = arranged(columns);
  const list = select.map(({ name, expression }) => `${expression} as ${quoteIdentifier(name)}`).join(', ');
  const asTheyAre = schemaAsTheyAre(select, columns);
  // Every value of every row, as it is.
  const whole = !transform && !rows && select.length === columns.length;
  const inPlace = asTheyAre && whole && select.every(({ name }, index) => name === columns[index]!.name);
  const query = inPlace ? compiled : `select ${list}${numbered ? `, ${row}` : ''} from (${compiled})`;
  const positions = select.map((_, position) => position);

  const known = transform || rows ? undefined : partition.rows;

  async function* batches(keep: boolean, mayUndo = false): AsyncGenerator<SourceBatch> {
    const unchecked = mayUndo && whole ? await partition.unchecked?.() : undefined;
    if (unchecked) return yield* atOnce(keep, unchecked);
    await partition.prepare?.(query, connection);
    yield* scanned(keep, signal);
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
    for await (const batch of turn.over(() => scan(connection, query, { signal: until, keep, rows: known }))) {
      const rowNumbers = numbered ? (batch.data.children.at(-1)!.values as BigInt64Array) : undefined;
      const selected: RecordBatch = rowNumbers && map ? batch.selectAt(positions) : batch;
      const result = map ? await map(selected) : selected;
      const aligned = rowNumbers && result.numRows === batch.numRows;
      yield { batch: result, rowNumber: (index) => (aligned ? Number(rowNumbers[index]) : null) };
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

function textOf(transform: Transform | undefined): string | undefined {
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
