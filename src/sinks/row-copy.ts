import type { ClientBase } from 'pg';
import type { RecordBatch } from '../arrow/batch.ts';
import { Checksum } from '../postgres/checksum.ts';
import { type Around, CopyIn } from '../postgres/copy-in.ts';
import { BatchEncoder, type EncodedColumn } from '../postgres/encode/batch.ts';

/** Consecutive rows of a batch that can be encoded. */
export interface Stretch {
  batch: RecordBatch;
  from: number;
  to: number;
}

/** The rows of a batch without those at fault. @param faults in the order of their rows @param within some of its rows */
export function stretchesWithout(
  batch: RecordBatch,
  faults: readonly { row: number }[],
  within: Pick<Stretch, 'from' | 'to'> = { from: 0, to: batch.numRows },
): Stretch[] {
  const stretches: Stretch[] = [];
  let { from } = within;
  for (const { row } of faults) {
    if (row > from) stretches.push({ batch, from, to: row });
    from = row + 1;
  }
  if (within.to > from) stretches.push({ batch, from, to: within.to });
  return stretches;
}

/** Rows on their way into a table through one COPY, which begins with the first of them. */
export class RowCopy {
  readonly checksum = new Checksum();
  readonly #client: ClientBase;
  readonly #into: string;
  readonly #names: readonly string[];
  readonly #encoder: BatchEncoder;
  #copy: CopyIn | undefined;
  #begun = false;

  /** @param into quoted, ready for SQL */
  constructor(client: ClientBase, into: string, columns: readonly EncodedColumn[]) {
    this.#client = client;
    this.#into = into;
    this.#names = columns.map(({ name }) => name);
    this.#encoder = new BatchEncoder(columns);
  }

  /** Whether any row was sent. */
  get begun(): boolean {
    return this.#begun;
  }

  /** @param around asked for the statements that go with the first COPY of all */
  async send({ batch, from, to }: Stretch, around?: () => Around): Promise<void> {
    for (const piece of this.#encoder.cut(batch, from, to)) {
      this.#copy ??= new CopyIn(this.#client, this.#into, this.#names, this.#begun ? {} : around?.());
      this.#begun = true;
      const frame = await this.#copy.reserve(piece.bytes);
      this.#encoder.encode(batch, piece, frame.rows, this.checksum);
      this.#copy.send(frame);
    }
  }

  /** Ends the COPY; another one begins with the next row. @returns rows that the server counted */
  async finish(): Promise<number> {
    const copy = this.#copy;
    this.#copy = undefined;
    return copy ? copy.finish() : 0;
  }

  /** Makes the server forget this COPY; the transaction, or the savepoint, is aborted by it. */
  async abandon(): Promise<void> {
    await this.#copy?.abandon();
  }
}

/** Sends all of these. @throws the server's error */
export async function copyRows(copy: RowCopy, stretches: Iterable<Stretch>): Promise<number> {
  try {
    for (const stretch of stretches) await copy.send(stretch);
    return await copy.finish();
  } catch (error) {
    await copy.abandon();
    throw error;
  }
}
