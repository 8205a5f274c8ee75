import { makeBatch, makeColumn, makeSchema, type RecordBatch, type Schema } from '../arrow/batch.ts';
import { take } from '../arrow/take.ts';
import { fieldOf } from '../arrow/types.ts';
import { DrayageError } from '../base/errors.ts';
import { isType } from '../model/columns.ts';
import { bareName } from '../model/job.ts';
import type { Route } from '../model/route.ts';
import type { SourceBatch } from '../model/sink.ts';
import { ROW } from '../model/source.ts';
import type { TableColumn } from '../postgres/catalog.ts';
import { BatchEncoder } from '../postgres/encode/batch.ts';
import type { Fault } from '../postgres/encode/column.ts';
import type { Cell } from '../postgres/values/build.ts';
import { type ValueType, valueType } from '../postgres/values/index.ts';
import { columnOf, nowhere } from '../sinks/arrange.ts';
import { mapColumns } from '../sinks/mapping.ts';
import type { RecordTable } from '../transforms/records.ts';

const shapes = new WeakMap<Route, RecordShape>();

/** The shape of a route, made once: for tiny partitions that would take longer than their rows. */
export function shapeOf(route: Route): RecordShape {
  const shape = shapes.get(route) ?? new RecordShape(route);
  shapes.set(route, shape);
  return shape;
}

/** How the rows that records become travel into one table: a column for each that the target names, in its order. */
export class RecordShape implements RecordTable {
  readonly name: string;
  readonly columns: readonly { name: string; type: ValueType }[];
  readonly schema: Schema;
  readonly #spooled: Schema;
  readonly #encoder: BatchEncoder;

  /** @throws TARGET_INVALID, TYPE_UNMAPPED for columns that the table does not have, or not like that */
  constructor({ name, table, target }: Route) {
    this.name = bareName(name);
    this.columns = Object.entries(target.columns!).map(([column, declared]) => {
      const found = columnOf(table, column);
      if (!found) throw nowhere(column, table);
      if (!isType(declared, found.type)) throw otherType(found, declared, table.sql);
      return { name: column, type: valueType(column, found.pgType, target.allow[found.name]) };
    });
    const fields = this.columns.map(({ type }) => type.field);
    this.schema = makeSchema(fields);
    this.#spooled = makeSchema([...fields, fieldOf(ROW, 'int64')]);
    this.#encoder = new BatchEncoder(mapColumns(this.schema, table, target));
  }

  /** @param rows of cells @param records the number of the record that each came from */
  batch(rows: readonly (readonly Cell[])[], records: readonly number[]): RecordBatch {
    const data = this.columns.map(({ type }, place) => type.build(rows.map((cells) => cells[place]!)));
    const numbers = makeColumn(this.#spooled.fields.at(-1)!.type, rows.length, {
      data: BigInt64Array.from(records, BigInt),
      validity: null,
    });
    return makeBatch(this.#spooled, rows.length, [...data, numbers]);
  }

  /** The rows that the table's encoders refuse. */
  check(batch: RecordBatch): Fault[] {
    return this.#encoder.check(batch).faults;
  }

  /** The batch without some of its rows. */
  without(batch: RecordBatch, rows: ReadonlySet<number>): RecordBatch {
    const places = Int32Array.from(
      Array.from({ length: batch.numRows }, (_, row) => row).filter((row) => !rows.has(row)),
    );
    return makeBatch(
      this.#spooled,
      places.length,
      batch.data.children.map((column) => take(column, places)),
    );
  }

  /** A spooled batch as the sink takes it. */
  sourceBatch(spooled: RecordBatch): SourceBatch {
    const records = spooled.data.children.at(-1)!.values as BigInt64Array;
    const columns = spooled.data.children.slice(0, -1);
    return { batch: makeBatch(this.schema, spooled.numRows, columns), rowNumber: (index) => Number(records[index]) };
  }
}

function otherType({ name, type }: TableColumn, declared: string, table: string): DrayageError {
  return new DrayageError('TARGET_INVALID', `Column "${name}" is ${type} in the table, and ${declared} in the job`, {
    where: { table, column: name },
    hint: 'Write the same in both.',
  });
}
