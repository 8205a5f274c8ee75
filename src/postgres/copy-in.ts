import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { quoteIdentifier } from './catalog.ts';

/** Signature, flags and extension length; then rows; then a field count of -1. */
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER = Buffer.from([0xff, 0xff]);

/** One `COPY … FROM STDIN (FORMAT binary)`. Ended by `finish` or `abandon`, never by both. */
export class CopyIn {
  readonly #stream;
  readonly #outcome: Promise<void>;
  #failure: Error | undefined;

  /** @param table quoted, ready for SQL */
  constructor(client: ClientBase, table: string, columns: readonly string[]) {
    const list = columns.map(quoteIdentifier).join(', ');
    this.#stream = client.query(copyFrom(`copy ${table} (${list}) from stdin (format binary)`));
    this.#outcome = finished(this.#stream);
    this.#outcome.catch((error: Error) => {
      this.#failure = error;
    });
    this.#stream.write(HEADER);
  }

  /**
   * Resolves when the socket wants more; then an earlier piece is on its way and its buffer may be used again.
   * @throws the server's error, as soon as it has arrived
   */
  async write(piece: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (!this.#stream.write(piece)) await Promise.race([once(this.#stream, 'drain'), this.#outcome]);
  }

  /** @returns rows that the server counted */
  async finish(): Promise<number> {
    if (this.#failure) throw this.#failure;
    this.#stream.end(TRAILER);
    await this.#outcome;
    return this.#stream.rowCount;
  }

  /** Makes the server forget this COPY; the transaction is aborted by it. */
  async abandon(): Promise<void> {
    this.#stream.destroy();
    await this.#outcome.catch(() => undefined);
  }
}
