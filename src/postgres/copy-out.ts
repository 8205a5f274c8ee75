import type { ClientBase, Connection, Submittable } from 'pg';

/** Signature, flags and extension length, in front of the first row. */
const HEADER_BYTES = 19;
/** A message's letter and its length, which counts itself and not the letter. */
const FRAME_BYTES = 5;
const COPY_DATA = 0x64;
const COPY_DONE = 0x63;
const ERROR = 0x45;

/** Told of every row: its image lies in [start, end), and is good until the call returns. */
export type OnRow = (bytes: Uint8Array, view: DataView, start: number, end: number) => void;

/**
 * Runs a `COPY … TO STDOUT (FORMAT binary)` and hands out its rows one by one.
 * @param query SQL in full
 * @returns how many rows there were
 * @throws the server's error
 */
export function copyOut(client: ClientBase, query: string, onRow: OnRow): Promise<number> {
  const copy = new CopyOut(`copy (${query}) to stdout (format binary)`, onRow);
  client.query(copy);
  return copy.outcome;
}

/**
 * Reads the messages itself (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY): node-postgres
 * would make an object of each, and there is one for every row.
 */
class CopyOut implements Submittable {
  readonly #sql: string;
  readonly #onRow: OnRow;
  readonly #done = Promise.withResolvers<number>();
  #listeners: ((chunk: Buffer) => void)[] = [];
  #connection: Connection | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isFirst = true;
  #rows = 0;

  constructor(sql: string, onRow: OnRow) {
    this.#sql = sql;
    this.#onRow = onRow;
    this.#done.promise.catch(() => undefined);
  }

  get outcome(): Promise<number> {
    return this.#done.promise;
  }

  /** @internal called by node-postgres */
  submit(connection: Connection): void {
    this.#connection = connection;
    const { stream } = connection;
    this.#listeners = stream.listeners('data') as ((chunk: Buffer) => void)[];
    stream.removeAllListeners('data');
    stream.on('data', this.#take);
    connection.query(this.#sql);
  }

  readonly #take = (chunk: Buffer): void => {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + FRAME_BYTES <= bytes.length) {
      const letter = bytes[at];
      // Whatever comes now is for node-postgres.
      if (letter === COPY_DONE || letter === ERROR) {
        this.#handBack(bytes.subarray(at));
        return;
      }
      const end = at + 1 + view.getInt32(at + 1);
      if (end > bytes.length) break;
      if (letter === COPY_DATA) this.#row(bytes, view, at + FRAME_BYTES, end);
      at = end;
    }
    this.#rest = bytes.subarray(at);
  };

  /** A message of data is one row; the first one begins with the header, and the last one says that it is no row. */
  #row(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const from = this.#isFirst ? start + HEADER_BYTES : start;
    this.#isFirst = false;
    if (from + 2 > end || view.getInt16(from) < 0) return;
    this.#rows++;
    this.#onRow(bytes, view, from, end);
  }

  #handBack(rest: Buffer): void {
    const { stream } = this.#connection!;
    stream.removeListener('data', this.#take);
    for (const listener of this.#listeners) {
      stream.on('data', listener);
      listener(rest);
    }
  }

  /** @internal */
  handleCommandComplete(): void {}

  /** @internal */
  handleReadyForQuery(): void {
    this.#done.resolve(this.#rows);
  }

  /** @internal */
  handleError(error: Error): void {
    this.#done.reject(error);
  }
}
