import { isUtf8 } from 'node:buffer';
import { integer, PyClass, type PyValue, Unreadable } from './python.ts';

/**
 * Instructions of one pickle, and values that they copy. An instruction makes one value at the most, so this bounds
 * memory as well as time.
 */
export const MOST_WORK = 1_000_000;
/** Bytes of a whole number; the largest that means something is a UUID of 16. */
const LONGEST_INTEGER = 1024;
/** Digits of a whole number that is written as text, as Python itself allows. */
const MOST_DIGITS = 4300;

/** The stack machine that pickles are programs for: bytes to read, a stack with marks, and a memo. */
export class Machine {
  readonly #bytes: Buffer;
  #at = 0;
  #work = 0;
  readonly #stack: PyValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PyValue>();

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next instruction's code. */
  next(): number {
    this.spend(1);
    return this.take(1)[0]!;
  }

  /** Accounts for values that an instruction copies: it may be given the same ones again and again. */
  spend(work: number): void {
    this.#work += work;
    if (this.#work > MOST_WORK) throw new Unreadable('too_large', `the pickle holds more than ${MOST_WORK} values`);
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw invalid(`it ends at byte ${this.#bytes.length}, in the middle of a value`);
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** A length or an index. @param width bytes: 1, 2, 4 or 8 */
  unsigned(width: number): number {
    const bytes = this.take(width);
    return width === 8 ? Number(bytes.readBigUInt64LE()) : bytes.readUIntLE(0, width);
  }

  /** A copy, so that the value does not keep the whole entry. */
  bytes(width: number): Uint8Array {
    return new Uint8Array(this.take(this.unsigned(width)));
  }

  text(width: number): string {
    return decode(this.take(this.unsigned(width)));
  }

  /** Text up to the end of the line. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) throw invalid('a line has no end');
    const line = this.take(end - this.#at).toString('latin1');
    this.take(1);
    return line;
  }

  /** An integer of so many bytes, little-endian, in two's complement. */
  long(width: number): number | bigint {
    const length = this.unsigned(width);
    if (length > LONGEST_INTEGER) throw new Unreadable('too_large', `an integer has ${length} bytes`);
    if (length === 0) return 0;
    const bytes = Buffer.from(this.take(length)).reverse();
    return integer(BigInt.asIntN(length * 8, BigInt(`0x${bytes.toString('hex')}`)));
  }

  /** An integer that is written as text. */
  decimal(): number | bigint {
    return parseInteger(this.line());
  }

  push(value: PyValue): void {
    this.#stack.push(value);
  }

  pop(): PyValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw invalid('an instruction finds nothing to work on');
    return this.#stack.pop()!;
  }

  top(): PyValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** Everything above the last mark, which goes too. */
  popMarked(): PyValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw invalid('a mark is missing');
    return this.#stack.splice(mark);
  }

  /** Pops a value, or the last mark when nothing is above it. */
  discard(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  remember(index = this.#memo.size): void {
    this.#memo.set(index, this.top());
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw invalid(`nothing was kept under ${index}`);
    this.#stack.push(value);
  }

  popClass(): PyClass {
    const value = this.pop();
    if (!(value instanceof PyClass)) throw invalid('something that is no class is called');
    return value;
  }

  popTuple(): PyValue[] {
    const value = this.pop();
    if (!Array.isArray(value)) throw invalid('the arguments of a call are no tuple');
    return value;
  }

  popText(): string {
    const value = this.pop();
    if (typeof value !== 'string') throw invalid('a name is no text');
    return value;
  }
}

export function invalid(problem: string): Unreadable {
  return new Unreadable('invalid_pickle', `the pickle cannot be read: ${problem}`);
}

/** An integer as text, with the L that Python 2 put behind it. */
export function parseInteger(line: string): number | bigint {
  const text = line.replace(/L$/, '');
  if (text.length > MOST_DIGITS) throw new Unreadable('too_large', `an integer has ${text.length} digits`);
  if (!/^[-+]?\d+$/.test(text)) throw invalid(`"${text.slice(0, 20)}" is no integer`);
  return integer(BigInt(text.replace('+', '')));
}

/** UTF-8 with lone surrogates, for which it has no place, as Python's `surrogatepass` writes them. */
function decode(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const units = Buffer.allocUnsafe(bytes.length * 2);
  let length = 0;
  const write = (part: Buffer) => {
    if (!isUtf8(part)) throw new Unreadable('invalid_utf8', 'a text is not valid UTF-8');
    length += units.write(part.toString('utf8'), length, 'utf16le');
  };
  let start = 0;
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    if (!isSurrogate(bytes, at)) continue;
    write(bytes.subarray(start, at));
    length = units.writeUInt16LE(0xd000 | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f), length);
    start = at + 3;
  }
  write(bytes.subarray(start));
  return units.toString('utf16le', 0, length);
}

function isSurrogate(bytes: Buffer, at: number): boolean {
  return bytes[at + 1]! >>> 5 === 0b101 && bytes[at + 2]! >>> 6 === 0b10;
}
