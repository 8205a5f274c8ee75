import type { ClientBase } from 'pg';
import type { SourceBatch } from '../model/sink.ts';
import type { RowFilter } from '../model/source.ts';
import type { Target } from '../model/target.ts';
import { quoteIdentifier, type Table } from '../postgres/catalog.ts';
import { BatchEncoder, type EncodedColumn } from '../postgres/encode/batch.ts';
import type { ColumnEncoder } from '../postgres/encode/column.ts';
import { keyIndexes, type MappedColumn } from './mapping.ts';
import { RowCopy, stretchesWithout } from './row-copy.ts';
import { sameKey } from './unique.ts';

const STAGE = 'pg_temp.drayage_newer';
const NUMBER = 'drayage_number';

/** Rows that are to be loaded late. */
export interface LateRows {
  client: ClientBase;
  table: Table;
  target: Target;
  columns: readonly MappedColumn[];
  /** The partition that they are from; all of its other rows are loaded. */
  batches: AsyncIterable<SourceBatch>;
  /** Their numbers. */
  late: RowFilter;
  /** Whether anything that is younger than the partition has gone into the table since. */
  loadedSince: boolean;
}

/** Whether a row of this target takes the place of another, whichever of them is older. */
export function replacesBlindly({ mode, onConflict, version }: Target): boolean {
  return (mode === 'merge' || (mode === 'upsert' && onConflict === 'update')) && version === undefined;
}

/**
 * Which of these rows must not take the place of others with their keys: another one came behind them in their partition,
 * or is in the table, which has been loaded into since, so that nobody knows whether it is older.
 * @returns their numbers
 */
export async function findNewer(rows: LateRows): Promise<Set<number>> {
  const { client, table, target, columns, late, loadedSince } = rows;
  const index = keyIndexes(table, target.key)[0]!;
  const needed = columns.filter(
    ({ name }) => target.key.includes(name) || (index.predicate && index.needs.includes(name)),
  );
  const list = needed.map(({ name }) => quoteIdentifier(name)).join(', ');
  await client.query(
    `create temp table drayage_newer on commit drop as select ${list}, 0::bigint as ${NUMBER} from ${table.sql} with no data`,
  );
  await stage(rows, needed);
  await client.query(`analyze ${STAGE}`);
  const isLate = (side: string) => `${side}.${NUMBER} = any ($1::bigint[])`;
  const same = sameKey(index, target.key.map(quoteIdentifier));
  const lateWith = (newer: string) =>
    `select ${NUMBER} as number from ${STAGE} s where ${isLate('s')} and exists (${newer})`;
  const behind = lateWith(`select from ${STAGE} t where ${same} and t.${NUMBER} > s.${NUMBER} and not ${isLate('t')}`);
  const there = lateWith(`select from ${table.sql} t where ${same}`);
  // Not by an "or", which would look through all of them for each row.
  const { rows: found } = await client.query<{ number: number }>(loadedSince ? `${behind} union ${there}` : behind, [
    late,
  ]);
  await client.query(`drop table ${STAGE}`);
  return new Set(found.map(({ number }) => Number(number)));
}

/** Brings the keys of the partition's rows into the stage, each with its number. */
async function stage({ client, batches }: LateRows, columns: readonly MappedColumn[]): Promise<void> {
  const numbers = new Numbers();
  const number: EncodedColumn = { name: NUMBER, position: 0, encoder: numbers, notNull: false, allowed: undefined };
  const copy = new RowCopy(client, STAGE, [...columns, number]);
  const encoder = new BatchEncoder(columns);
  try {
    for await (const { batch, rowNumber } of batches) {
      numbers.of = rowNumber;
      // A row whose key cannot be encoded is a reject, and nobody's successor.
      for (const stretch of stretchesWithout(batch, encoder.check(batch).faults)) await copy.send(stretch);
    }
    await copy.finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
}

/** Encodes, whatever the column holds, the numbers of its rows; those without one come before all others. */
class Numbers implements ColumnEncoder {
  of: SourceBatch['rowNumber'] = () => null;

  size(_data: unknown, from: number, to: number, sizes: Int32Array): void {
    for (let slot = 0; slot < to - from; slot++) sizes[slot]! += 8;
  }

  write(_data: unknown, from: number, to: number, { view, at }: Parameters<ColumnEncoder['write']>[3]): void {
    for (let row = from; row < to; row++) {
      const position = at[row - from]!;
      view.setInt32(position, 8);
      view.setBigInt64(position + 4, BigInt(this.of(row) ?? 0));
      at[row - from] = position + 12;
    }
  }
}
