import { emptyBatch, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { DrayageError } from '../base/errors.ts';
import type { DuckConnection } from '../duckdb/instance.ts';
import { readableQuery, scan, schemaOf } from '../duckdb/scan.ts';
import { type DuckColumn, quoteIdentifier } from '../duckdb/types.ts';
import type { Job } from '../model/job.ts';
import type { SourceBatch } from '../model/sink.ts';
import {
  type OpenPartition,
  type PartitionPlan,
  ROW,
  type Source,
  type SourceContext,
  type SourceFault,
} from '../model/source.ts';
import type { BatchTransform } from '../model/transform.ts';
import { compileSql } from '../transforms/sql.ts';

/** What a partition gives after the transform. */
export interface Reading {
  /** DuckDB's columns before they become Arrow, for the type mapping that plans show. */
  columns: DuckColumn[];
  schema: Schema;
  /** Starts the reading; may be called again to read once more. */
  batches(): AsyncIterable<SourceBatch>;
  faults(): AsyncIterable<SourceFault>;
  assertUnchanged(): Promise<void>;
}

/** Opens a partition, applies the transform, and hands the reading to `use`; everything is closed afterwards. */
export async function withReading<Result>(
  job: Pick<Job, 'transform'>,
  source: Source,
  plan: Pick<PartitionPlan, 'key' | 'fingerprint' | 'spec'>,
  context: SourceContext,
  use: (reading: Reading) => Promise<Result>,
): Promise<Result> {
  const partition = await source.open(plan, context);
  try {
    return await context.duck.use(async (connection) => use(await compile(job, partition, connection, context.signal)));
  } finally {
    await partition.close();
  }
}

async function compile(
  { transform }: Pick<Job, 'transform'>,
  partition: OpenPartition,
  connection: DuckConnection,
  signal: AbortSignal,
): Promise<Reading> {
  const compiled = await compileSql(
    connection,
    partition.relation,
    transform?.kind === 'sql' ? transform.text : undefined,
  );
  const columns = compiled.columns;
  const unreadable = columns.find(({ expression }) => expression === undefined);
  if (unreadable) throw unmapped(unreadable);

  const withRow = compiled.numbered ? [{ name: ROW, type: 'BIGINT', expression: quoteIdentifier(ROW) }] : [];
  const query = readableQuery(compiled.query, [...columns, ...withRow]);
  const positions = columns.map((_, position) => position);
  const map = transform?.kind === 'batches' ? guarded(transform) : undefined;

  async function* batches(): AsyncGenerator<SourceBatch> {
    for await (const batch of scan(connection, query, signal)) {
      const rowNumbers = compiled.numbered ? (batch.data.children.at(-1)!.values as BigInt64Array) : undefined;
      const selected: RecordBatch = rowNumbers && map ? batch.selectAt(positions) : batch;
      const result = map ? await map(selected) : selected;
      const aligned = rowNumbers && result.numRows === batch.numRows;
      yield { batch: result, rowNumber: (index) => (aligned ? Number(rowNumbers[index]) : null) };
    }
  }

  const read = await schemaOf(connection, readableQuery(compiled.query, columns));
  const schema = map ? (await map(emptyBatch(read))).schema : read;
  return { columns, schema, batches, faults: partition.faults, assertUnchanged: partition.assertUnchanged };
}

/** The job's own function; what it throws is told as the transform's failure. */
function guarded({ map }: BatchTransform): BatchTransform['map'] {
  return async (batch) => {
    try {
      return await map(batch);
    } catch (error) {
      throw new DrayageError('TRANSFORM_FAILED', `The function of the transform failed: ${(error as Error).message}`, {
        hint: 'Mend it in the job file; --verbose shows where it failed.',
        cause: error,
      });
    }
  };
}

function unmapped({ name, type }: DuckColumn): DrayageError {
  return new DrayageError(
    'TYPE_UNMAPPED',
    `Column "${name}" is of type ${type}, which no column of Postgres takes yet`,
    {
      where: { column: name },
      hint: `Cast it in the transform, for example "${name}"::varchar, or leave it out.`,
    },
  );
}
