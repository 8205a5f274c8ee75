import type { ClientBase, Connection, Submittable } from 'pg';
import { quoteIdentifier } from './catalog.ts';

/** A CopyData message is the letter d, its length without the letter, then the data. */
const FRAME_BYTES = 5;
const COPY_DATA = 0x64;
/** Signature, flags and extension length, as a message; then rows. */
const HEADER = Buffer.from('d\0\0\0\x17PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** A field count of -1, as a message, and the message that it is done. */
const END = Buffer.from('d\0\0\0\x06\xff\xffc\0\0\0\x04', 'latin1');

/**
 * Buffers in flight. The socket takes them over as they are, so one may be written to again only when the kernel has
 * its bytes; several of them keep the server busy while the next one is being filled.
 */
const BUFFERS = 4;
const BUFFER_BYTES = FRAME_BYTES + 128 * 1024;
/** A row larger than this gets a buffer of its own, which is not kept. */
const MOST_BUFFER_BYTES = FRAME_BYTES + 1024 * 1024;
/** Buffers that are kept for the next COPY. */
const KEPT_BUFFERS = 4;
const kept: Uint8Array[] = [];

/** Statements, ready for SQL. */
export interface Around {
  before?: string;
  after?: string;
}

/** Room for rows in a message that is about to be sent. */
export interface Frame {
  buffer: Uint8Array;
  /** The part of the buffer that rows are written to. */
  rows: Uint8Array;
}

/**
 * One `COPY … FROM STDIN (FORMAT binary)`. Ended by `finish` or `abandon`, never by both. Speaks to the connection
 * itself (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY), because only the socket knows when
 * a buffer has left.
 */
export class CopyIn implements Submittable {
  readonly #sql: string;
  readonly #free: Uint8Array[] = [];
  /** How many there are; a short COPY needs but one. */
  #buffers = 0;
  readonly #ready = Promise.withResolvers<void>();
  readonly #outcome = Promise.withResolvers<number>();
  #connection: Connection | undefined;
  #failure: Error | undefined;
  #rows = 0;
  /** Called when a buffer has come back, or when there is no use in waiting for one. */
  #returned: () => void = () => undefined;

  /**
   * @param table quoted, ready for SQL
   * @param around statements that are sent in one message with it; when one fails, none behind it is run
   */
  constructor(client: ClientBase, table: string, columns: readonly string[], around: Around = {}) {
    const list = columns.map(quoteIdentifier).join(', ');
    const copy = `copy ${table} (${list}) from stdin (format binary)`;
    this.#sql = [around.before, copy, around.after].filter(Boolean).join('; ');
    this.#ready.promise.catch(() => undefined);
    this.#outcome.promise.catch(() => undefined);
    client.query(this);
  }

  /**
   * Room for so many bytes of rows, as soon as there is some.
   * @throws the server's error, as soon as it has arrived
   */
  async reserve(bytes: number): Promise<Frame> {
    await this.#ready.promise;
    let buffer = this.#take();
    while (!buffer && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#returned = resolve;
      });
      buffer = this.#take();
    }
    if (this.#failure) throw this.#failure;
    // Rows that are larger than the buffer get a larger one in its place, with room for those that are larger still.
    if (buffer!.length < FRAME_BYTES + bytes) {
      const most = Math.min(Math.ceil(1.25 * (FRAME_BYTES + bytes)), MOST_BUFFER_BYTES);
      buffer = new Uint8Array(Math.max(FRAME_BYTES + bytes, most));
    }
    return { buffer: buffer!, rows: buffer!.subarray(FRAME_BYTES, FRAME_BYTES + bytes) };
  }

  #take(): Uint8Array | undefined {
    if (this.#free.length > 0 || this.#buffers === BUFFERS) return this.#free.pop();
    this.#buffers++;
    return kept.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  /** Sends the rows of a frame; it must not be touched afterwards. */
  send({ buffer, rows }: Frame): void {
    new DataView(buffer.buffer).setInt32(1, 4 + rows.length);
    buffer[0] = COPY_DATA;
    this.#connection!.stream.write(buffer.subarray(0, FRAME_BYTES + rows.length), () => {
      this.#free.push(buffer.length <= MOST_BUFFER_BYTES ? buffer : new Uint8Array(BUFFER_BYTES));
      this.#returned();
    });
  }

  /** @returns rows that the server counted */
  async finish(): Promise<number> {
    await this.#ready.promise;
    if (this.#failure) throw this.#failure;
    this.#connection!.stream.write(END);
    const rows = await this.#outcome.promise;
    for (const buffer of this.#free.splice(0)) {
      if (buffer.length === BUFFER_BYTES && kept.length < KEPT_BUFFERS) kept.push(buffer);
    }
    return rows;
  }

  /** Makes the server forget this COPY; the transaction is aborted by it. */
  async abandon(): Promise<void> {
    const begun = await this.#ready.promise.then(
      () => true,
      () => false,
    );
    if (begun && !this.#failure) {
      (this.#connection as unknown as { sendCopyFail(why: string): void }).sendCopyFail('given up by the client');
    }
    await this.#outcome.promise.catch(() => undefined);
  }

  /** @internal called by node-postgres */
  submit(connection: Connection): void {
    this.#connection = connection;
    connection.query(this.#sql);
  }

  /** @internal */
  handleCopyInResponse(): void {
    // Few rows are there in the same turn, and leave together with the header and the end.
    const { stream } = this.#connection!;
    stream.cork();
    setImmediate(() => stream.uncork());
    stream.write(HEADER);
    this.#ready.resolve();
  }

  /** @internal */
  handleCommandComplete({ text }: { text: string }): void {
    const rows = /^COPY (\d+)/.exec(text)?.[1];
    if (rows !== undefined) this.#rows = Number(rows);
  }

  /** @internal */
  handleReadyForQuery(): void {
    this.#outcome.resolve(this.#rows);
  }

  /** @internal */
  handleError(error: Error): void {
    this.#failure = error;
    this.#ready.reject(error);
    this.#outcome.reject(error);
    this.#returned();
  }
}
