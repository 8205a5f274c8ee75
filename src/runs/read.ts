import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/connection.ts';
import type { DuckColumn } from '../duckdb/types.ts';
import type { Route } from '../model/route.ts';
import type { Warning } from '../model/sink.ts';
import type {
  OpenPartition,
  OpenRecords,
  PartitionPlan,
  RowFilter,
  Source,
  SourceContext,
  SourceFault,
  Unchecked,
} from '../model/source.ts';
import type { BatchTransform, Transform } from '../model/transform.ts';
import { arrange, arrangeAll } from '../sinks/arrange.ts';
import { type Compiled, compileSql } from '../transforms/sql.ts';
import { compile, type Reading, textOf } from './reading.ts';
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
          const { columns } = await compileSql(connection, partition, textOf(transform));
          return transform
            ? columns
            : columns.map((column) => ({ ...column, declared: partition.declared?.[column.name] }));
        },
        async query(transform) {
          await turn.take();
          const compiled = await compileSql(connection, partition, textOf(transform));
          return { ...compiled, connection, prepare: async (query) => partition.prepare?.(query, connection) };
        },
        async reading(route, rows) {
          if (route.transform?.kind === 'records') return spooledReading(route, () => spooled!);
          const { table, target, siblings } = route;
          const arranged = (columns: readonly DuckColumn[]) =>
            route.transform?.kind === 'batches'
              ? arrangeAll(columns, table)
              : arrange(columns, table, target, siblings);
          return compile(route.transform, arranged, partition, rows, connection, turn, context);
        },
        mapped: (transform) =>
          compile(transform, (columns) => arrangeAll(columns), partition, undefined, connection, turn, context),
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
