import { quoteIdentifier } from '../postgres/catalog.ts';
import { copyOut } from '../postgres/copy-out.ts';
import { BatchEncoder, type EncodedColumn } from '../postgres/encode/batch.ts';
import type { ColumnEncoder } from '../postgres/encode/column.ts';
import { hashImage } from '../postgres/image-hash.ts';
import { PlaceHashes } from './place-hashes.ts';
import type { LoadRequest } from './request.ts';
import { RowCopy, stretchesWithout } from './row-copy.ts';
import { isUnique, prepareJoin } from './unique.ts';

const KEYS = 'pg_temp.drayage_keys';
const PLACE = 'drayage_place';
/** In the image of a joined row: the field count, and the place with its length word. */
const BEFORE_ROW = 10;

/** Rows of a partition that are compared; each takes up to 9 bytes of memory. */
const MOST_ROWS = 2_000_000;

/** What is known of a row: that the table has its key; that it was read, and waits for what the table has. */
const [THERE, WAITS] = [1, 2];

/** The rows of a partition whose keys the table has, with what it has for them. Places are counted from 0. */
export class Known {
  /** Of the partition. */
  readonly rows: number;
  count = 0;
  /** Rows that the table has as they are, among those that were met. */
  same = 0;
  /** What the table has; of a row that waits, what it is itself. */
  readonly #hashes: PlaceHashes;

  constructor(rows: number) {
    this.rows = rows;
    this.#hashes = new PlaceHashes(rows);
  }

  has(place: number): boolean {
    return this.#hashes.mark(place) === THERE;
  }

  /** Whether the table has that very row. @param hash of the row's image behind the field count */
  equals(place: number, hash: Int32Array): boolean {
    return this.#hashes.equals(place, hash);
  }

  /** Compares a row, once, with what the table has, or will turn out to have. @param hash as for `equals` */
  meet(place: number, hash: Int32Array): void {
    if (!this.has(place)) this.#hashes.set(place, hash, WAITS);
    else if (this.equals(place, hash)) this.same++;
  }

  /** Asks the table, by the keys that were staged. @param onFound told how many were found so far */
  async ask({ client, table, target, columns }: LoadRequest, onFound: (count: number) => void): Promise<void> {
    const list = columns.map(({ name }) => `t.${quoteIdentifier(name)}`).join(', ');
    const same = target.key.map(quoteIdentifier).map((name) => `k.${name} = t.${name}`);
    const query = `select k.${PLACE}, ${list} from ${KEYS} k join ${table.sql} t on ${same.join(' and ')}`;
    const hash = new Int32Array(2);
    await copyOut(client, query, (bytes, view, start, end) => {
      const place = view.getInt32(start + BEFORE_ROW - 4);
      hashImage(bytes, view, start + BEFORE_ROW, end, hash);
      if (this.#hashes.mark(place) === WAITS && this.equals(place, hash)) this.same++;
      this.#hashes.set(place, hash, THERE);
      onFound(++this.count);
    });
  }

  dispose(): void {
    this.#hashes.dispose();
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
