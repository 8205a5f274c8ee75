import type { ClientBase, Connection, Submittable } from 'pg';
import { viewOf } from '../arrow/copy.ts';
import { Sweeper } from '../base/memory.ts';

/** Letters of the messages that matter here: what comes once for each row, and what comes behind the last. */
const COPY = { row: 0x64, end: 0x63 };
const FETCH = { row: 0x44, end: 0x43 };
const ERROR = 0x45;
/** Letter and length in front of every message. */
const MESSAGE_HEAD = 5;
/** Signature and flags in front of the first row, before the length of the extension. */
const SIGNATURE = 15;

/**
 * Told of each row as it arrives; nothing of it may be kept.
 * @param start of the row's image, which is a field count followed by the fields
 */
export type OnRow = (bytes: Uint8Array, view: DataView, start: number, end: number) => void;

/**
 * Runs one `COPY … TO STDOUT (FORMAT binary)`.
 * @param query what is copied, without parentheses
 * @returns rows that the server counted
 * @throws the server's error, or what `onRow` throws
 */
export function copyOut(client: ClientBase, query: string, onRow: OnRow): Promise<number> {
  const copy = new RowsOut(`copy (${query}) to stdout (format binary)`, COPY, onRow);
  client.query(copy);
  return copy.outcome;
}

/** As `copyOut`, for the next rows of a cursor that was declared as BINARY: their messages hold the same images. */
export function fetchOut(client: ClientBase, cursor: string, count: number, onRow: OnRow): Promise<number> {
  const fetch = new RowsOut(`fetch ${count} from ${cursor}`, FETCH, onRow);
  client.query(fetch);
  return fetch.outcome;
}

/** A message of which only the beginning has come so far. It is put together once, however many pieces it comes in. */
class CutMessage {
  #parts: Buffer[] = [];
  #length = 0;
  /** Of the message, or of its head until that is there. */
  #wanted = 0;

  keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#parts = [part];
    this.#length = part.length;
    this.#measure();
  }

  /** @returns the message, if the chunk completes it, and what is behind it */
  complete(chunk: Buffer): { whole?: Buffer; rest: Buffer } {
    let at = 0;
    while (this.#length > 0) {
      const end = Math.min(chunk.length, at + this.#wanted - this.#length);
      this.#parts.push(chunk.subarray(at, end));
      this.#length += end - at;
      at = end;
      if (this.#length < this.#wanted) return { rest: chunk.subarray(at) };
      if (this.#wanted > MESSAGE_HEAD || this.#measure() === MESSAGE_HEAD) {
        const whole = Buffer.concat(this.#parts);
        this.#length = 0;
        return { whole, rest: chunk.subarray(at) };
      }
    }
    return { rest: chunk };
  }

  #measure(): number {
    const head = Buffer.concat(this.#parts, Math.min(this.#length, MESSAGE_HEAD));
    this.#wanted = head.length < MESSAGE_HEAD ? MESSAGE_HEAD : 1 + head.readInt32BE(1);
    return this.#wanted;
  }
}

/**
 * Reads the messages off the socket itself (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY),
 * because node-postgres makes several objects of each row. Whatever is no row is handed on to it.
 */
class RowsOut implements Submittable {
  readonly #sql: string;
  readonly #letters: { row: number; end: number };
  readonly #onRow: OnRow;
  readonly #outcome = Promise.withResolvers<number>();
  #begun: boolean;
  #rows = 0;
  #failure: { error: unknown } | undefined;

  constructor(sql: string, letters: { row: number; end: number }, onRow: OnRow) {
    this.#sql = sql;
    this.#letters = letters;
    // Only a COPY has a head in front of its first row.
    this.#begun = letters === FETCH;
    this.#onRow = onRow;
  }

  get outcome(): Promise<number> {
    return this.#outcome.promise;
  }

  /** @internal called by node-postgres */
  submit(connection: Connection): void {
    const { stream } = connection;
    const [handOn] = stream.listeners('data') as ((bytes: Buffer) => void)[];
    const cut = new CutMessage();
    const sweeper = new Sweeper();
    /** @returns how many bytes are whole messages, or undefined when there are no more rows */
    const take = (bytes: Buffer): number | undefined => {
      const view = viewOf(bytes);
      let at = 0;
      while (bytes.length - at >= MESSAGE_HEAD) {
        const letter = bytes[at];
        if (letter === this.#letters.end || letter === ERROR) {
          stream.off('data', listen);
          stream.on('data', handOn!);
          handOn!(bytes.subarray(at));
          return undefined;
        }
        const end = at + 1 + view.getInt32(at + 1);
        if (end > bytes.length) break;
        if (letter === this.#letters.row) this.#data(bytes, view, at + MESSAGE_HEAD, end);
        else handOn!(bytes.subarray(at, end));
        at = end;
      }
      return at;
    };
    const listen = (chunk: Buffer) => {
      const { whole, rest } = cut.complete(chunk);
      if (whole && take(whole) === undefined) {
        if (rest.length > 0) handOn!(rest);
        return;
      }
      const taken = take(rest);
      if (taken === undefined) return;
      cut.keep(rest.subarray(taken));
      // Megabytes would lie about until V8 finds the time, and then it would look through everything.
      sweeper.done(chunk.length);
    };
    stream.off('data', handOn!);
    stream.on('data', listen);
    connection.query(this.#sql);
  }

  #data(bytes: Uint8Array, view: DataView, from: number, end: number): void {
    let start = from;
    if (!this.#begun) {
      this.#begun = true;
      start += SIGNATURE + 4 + view.getInt32(from + SIGNATURE);
    }
    // The end is marked by a field count of -1.
    if (this.#failure || view.getInt16(start) === -1) return;
    try {
      this.#onRow(bytes, view, start, end);
    } catch (error) {
      this.#failure = { error };
    }
  }

  /** @internal */
  handleRowDescription(): void {}

  /** @internal */
  handleCommandComplete({ text }: { text: string }): void {
    this.#rows = Number(/^(?:COPY|FETCH) (\d+)/.exec(text)?.[1]);
  }

  /** @internal */
  handleReadyForQuery(): void {
    if (this.#failure) this.#outcome.reject(this.#failure.error);
    else this.#outcome.resolve(this.#rows);
  }

  /** @internal */
  handleError(error: Error): void {
    this.#outcome.reject(error);
  }
}
