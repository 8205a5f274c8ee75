import { isUtf8 } from 'node:buffer';
import { contentOf, type Head, type Part } from './csv-head.ts';
import type { Dialect } from './csv-options.ts';
import { type Here, wholeLines } from './here.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const EACH_BYTE = 0x01010101;
const HIGH_BITS = 0x80808080;

/** What a file holds in which nothing leaves any doubt. */
export interface PlainCsv {
  records: number;
  /** Bytes of the longest record with its line end. */
  longest: number;
  /** Whether all lines end in \r\n; else all end in \n. */
  returns: boolean;
}

/**
 * Reads a file from end to end, as far as it is plain.
 * @param signal when nobody wants to know any more
 * @returns undefined for one that is not
 * @throws as `Here.bytes`
 */
export async function plainCsv(
  here: Here,
  dialect: Dialect,
  { names, start }: Head,
  part: Part | undefined,
  signal: AbortSignal,
): Promise<PlainCsv | undefined> {
  const lines = new PlainLines(names.length, dialect);
  let above = start;
  for await (const piece of wholeLines(contentOf(here.bytes({ brief: true }), dialect.skip, part))) {
    const left = Math.min(above, piece.length);
    above -= left;
    if (signal.aborted) return undefined;
    if (left < piece.length && !lines.add(left === 0 ? piece : piece.subarray(left))) return undefined;
  }
  return lines.found();
}

/**
 * Looks whether every line is a record that nobody can take for anything else: one line, as wide as the header, in UTF-8
 * without a NUL, with quotes around a whole field or none, and the same line end as all others and no other. Records are
 * counted and not kept, since this is the one part of reading CSV that looks at every byte in JavaScript.
 */
export class PlainLines {
  readonly #width: number;
  readonly #dialect: Dialect;
  #records = 0;
  #longest = 0;
  #returns = 0;
  #plain = true;

  constructor(width: number, dialect: Dialect) {
    this.#width = width;
    this.#dialect = dialect;
  }

  /** @param bytes whole lines; only the last ones of all may end without a line end @returns whether all are plain so far */
  add(bytes: Buffer): boolean {
    const { quote } = this.#dialect;
    if (!isUtf8(bytes) || bytes.includes(0)) this.#plain = false;
    else if (quote !== 0 && bytes.includes(quote)) this.#addQuoted(bytes);
    else this.#addBare(bytes);
    return this.#plain;
  }

  found(): PlainCsv | undefined {
    const mixed = this.#returns !== 0 && this.#returns !== this.#records;
    if (!this.#plain || mixed) return undefined;
    return { records: this.#records, longest: this.#longest, returns: this.#returns > 0 };
  }

  /**
   * Where there are no quotes: four bytes at a time as long as none of them ends a field
   * (https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord), and all counts in variables, since this is where the
   * time goes.
   */
  #addBare(bytes: Buffer): void {
    const { delimiter } = this.#dialect;
    const width = this.#width;
    const { length } = bytes;
    const shift = bytes.byteOffset & 3;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset - shift, (shift + length) >> 2);
    const [delimiters, newlines] = [Math.imul(delimiter, EACH_BYTE), Math.imul(NEWLINE, EACH_BYTE)];
    let [records, longest, returns, start, fields] = [0, 0, 0, 0, 1];
    let plain = true;
    const before = this.#returns;
    for (let at = 0; at < length; at++) {
      if (((at + shift) & 3) === 0) {
        let word = (at + shift) >> 2;
        for (; word < words.length; word++) {
          const one = words[word]! ^ delimiters;
          const other = words[word]! ^ newlines;
          if ((((one - EACH_BYTE) & ~one) | ((other - EACH_BYTE) & ~other)) & HIGH_BITS) break;
        }
        at = (word << 2) - shift;
        if (at >= length) break;
      }
      const byte = bytes[at];
      if (byte === delimiter) fields++;
      else if (byte === NEWLINE) {
        const size = at - start;
        const isReturned = size > 0 && bytes[at - 1] === RETURN;
        if (isReturned) returns++;
        if (size > longest) longest = size;
        if (fields !== width || size === (isReturned ? 1 : 0)) plain = false;
        records++;
        start = at + 1;
        fields = 1;
      }
    }
    this.#records += records;
    this.#returns += returns;
    if (records > 0) this.#longest = Math.max(this.#longest, longest + 1);
    if (!plain) this.#plain = false;
    if (start < length) this.#line(bytes, start, length, fields);
    let strays = before - this.#returns;
    for (let at = bytes.indexOf(RETURN); at !== -1; at = bytes.indexOf(RETURN, at + 1)) strays++;
    if (strays !== 0) this.#plain = false;
  }

  #addQuoted(bytes: Buffer): void {
    const { delimiter, quote } = this.#dialect;
    let fields = 1;
    let start = 0;
    let at = 0;
    while (this.#plain && at < bytes.length) {
      if (bytes[at] === quote) at = this.#behindQuotes(bytes, at + 1);
      let byte = bytes[at];
      for (; byte !== undefined && byte !== delimiter && byte !== NEWLINE; byte = bytes[++at]) {
        const isStray = byte === RETURN && at + 1 < bytes.length && bytes[at + 1] !== NEWLINE;
        if (byte === quote || isStray) this.#plain = false;
      }
      if (byte === delimiter) fields++;
      else {
        this.#line(bytes, start, at, fields);
        start = at + 1;
        fields = 1;
      }
      at++;
    }
    if (start < bytes.length) this.#line(bytes, start, bytes.length, fields);
  }

  /** @param at behind the quote that opens a field @returns behind the one that closes it */
  #behindQuotes(bytes: Buffer, from: number): number {
    const { delimiter, quote, escape: shield } = this.#dialect;
    let at = from;
    for (; ; at++) {
      const byte = bytes[at];
      if (byte === quote && (shield !== quote || bytes[at + 1] !== quote)) break;
      if (byte === shield) at++;
      if (byte === undefined || byte === NEWLINE || bytes[at] === NEWLINE) {
        this.#plain = false;
        return at;
      }
    }
    const next = bytes[++at];
    const ends = next === undefined || next === delimiter || next === NEWLINE;
    const returns = next === RETURN && (at + 1 === bytes.length || bytes[at + 1] === NEWLINE);
    if (!ends && !returns) this.#plain = false;
    return at;
  }

  #line(bytes: Buffer, start: number, at: number, fields: number): void {
    const returns = at > start && bytes[at - 1] === RETURN;
    const empty = at - (returns ? 1 : 0) === start;
    this.#records++;
    if (returns) this.#returns++;
    this.#longest = Math.max(this.#longest, Math.min(bytes.length, at + 1) - start);
    if (empty || fields !== this.#width) this.#plain = false;
  }
}
