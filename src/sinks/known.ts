import { quoteIdentifier } from '../postgres/catalog.ts';
import { copyOut } from '../postgres/copy-out.ts';
import { BatchEncoder, type EncodedColumn } from '../postgres/encode/batch.ts';
import type { ColumnEncoder } from '../postgres/encode/column.ts';
import { hashImage } from '../postgres/image-hash.ts';
import type { LoadRequest } from './request.ts';
import { RowCopy, stretchesWithout } from './row-copy.ts';
import { isUnique, prepareJoin } from './unique.ts';

const KEYS = 'pg_temp.drayage_keys';
const PLACE = 'drayage_place';
/** In the image of a joined row: the field count, and the place with its length word. */
const BEFORE_ROW = 10;

/** Rows of a partition that are compared; each takes 17 bytes of memory. */
const MOST_ROWS = 2_000_000;

/** The rows of a partition whose keys the table has, with what it has for them. Places are counted from 0. */
export class Known {
  /** Of the partition. */
  readonly rows: number;
  count = 0;
  readonly #there: Uint8Array;
  readonly #hashes: Int32Array;

  constructor(rows: number) {
    this.rows = rows;
    this.#there = new Uint8Array(rows);
    this.#hashes = new Int32Array(2 * rows);
  }

  has(place: number): boolean {
    return this.#there[place] === 1;
  }

  /** Whether the table has that very row. @param hash two halves, of the row's image behind the field count */
  equals(place: number, hash: Int32Array, at: number): boolean {
    return this.#hashes[2 * place] === hash[2 * at] && this.#hashes[2 * place + 1] === hash[2 * at + 1];
  }

  /** Asks the table, by the keys that were staged. @param onFound told how many were found so far */
  async ask({ client, table, target, columns }: LoadRequest, onFound: (count: number) => void): Promise<void> {
    const list = columns.map(({ name }) => `t.${quoteIdentifier(name)}`).join(', ');
    const same = target.key.map(quoteIdentifier).map((name) => `k.${name} = t.${name}`);
    const query = `select k.${PLACE}, ${list} from ${KEYS} k join ${table.sql} t on ${same.join(' and ')}`;
    await copyOut(client, query, (bytes, view, start, end) => {
      const place = view.getInt32(start + BEFORE_ROW - 4);
      this.#there[place] = 1;
      hashImage(bytes, view, start + BEFORE_ROW, end, this.#hashes, place);
      onFound(++this.count);
    });
  }
}

/**
 * Sends the partition's keys to the server, each with its place.
 * @returns undefined when the rows are too many, or some have the same key
 */
export async function stageKeys({
  client,
  table,
  target,
  columns,
  only,
  seen,
}: LoadRequest): Promise<Known | undefined> {
  const keys: EncodedColumn[] = target.key.map((name, position) => ({
    ...columns.find((column) => column.name === name)!,
    position,
  }));
  const sources = target.key.map((name) => columns.find((column) => column.name === name)!.source);
  const list = target.key.map(quoteIdentifier).join(', ');
  await client.query(
    `create temp table drayage_keys on commit drop as
     select ${list}, 0 as ${PLACE} from ${table.sql} with no data`,
  );
  const places = new Places();
  const copy = new RowCopy(client, KEYS, [
    ...keys,
    { name: PLACE, position: 0, encoder: places, notNull: false, allowed: undefined },
  ]);
  const encoder = new BatchEncoder(keys);
  let rows = 0;
  try {
    for await (const { batch } of only!(sources)) {
      places.first = rows;
      // A row whose key cannot be encoded is a reject of the load; here it is nobody's.
      for (const stretch of stretchesWithout(batch, encoder.check(batch).faults)) await copy.send(stretch);
      rows += batch.numRows;
      if (rows > MOST_ROWS) break;
    }
    await copy.finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
  if (rows > MOST_ROWS || !(await isUnique(client, KEYS, list))) return undefined;
  await prepareJoin(client, KEYS);
  if (seen) await client.query(`insert into ${seen} select ${list} from ${KEYS}`);
  return new Known(rows);
}

/** In a longer transaction the keys have to make room for the next table's. */
export async function dropKeys(client: LoadRequest['client']): Promise<void> {
  await client.query(`drop table ${KEYS}`);
}

/** Encodes, whatever the column holds, the places of its rows. */
export class Places implements ColumnEncoder {
  /** Of the batch's first row. */
  first = 0;

  size(_data: unknown, from: number, to: number, sizes: Int32Array): void {
    for (let slot = 0; slot < to - from; slot++) sizes[slot]! += 4;
  }

  write(_data: unknown, from: number, to: number, { view, at }: Parameters<ColumnEncoder['write']>[3]): void {
    for (let row = from; row < to; row++) {
      const position = at[row - from]!;
      view.setInt32(position, 4);
      view.setInt32(position + 4, this.first + row);
      at[row - from] = position + 8;
    }
  }
}
