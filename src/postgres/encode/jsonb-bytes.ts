import { Members } from './jsonb-members.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const SPACE = 0x20;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Deeper documents are left to the slower way, whose stack is smaller still. */
const MOST_DEPTH = 100;
/** More might be more than numeric holds. */
const MOST_DIGITS = 1000;

/**
 * Writes JSON as jsonb gives it back, as `jsonbText` does, from bytes to bytes and without looking at what is seldom:
 * escapes, exponents, a zero with a sign, and whatever is no JSON. It says so, and the slower way decides.
 */
export class JsonbBytes {
  /** What was written so far, up to `length`. */
  bytes: Uint8Array = new Uint8Array(64 * 1024);
  length = 0;
  #input: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;
  #depth = 0;
  readonly #members = new Members();

  /** Appends the document in [from, to). @returns false when it is one for the slower way; nothing is appended then */
  append(input: Uint8Array, from: number, to: number): boolean {
    const start = this.length;
    // One space more behind each comma and colon at most.
    this.reserve(2 * (to - from));
    this.#input = input;
    this.#at = from;
    this.#end = to;
    this.#depth = 0;
    this.#members.clear();
    this.#skip();
    const whole = this.#value();
    this.#skip();
    if (whole && this.#at === to) return true;
    this.length = start;
    return false;
  }

  /** Appends what was written elsewhere. */
  add(document: Uint8Array): void {
    this.reserve(document.length);
    this.bytes.set(document, this.length);
    this.length += document.length;
  }

  /** Makes room for so many bytes more. */
  reserve(bytes: number): void {
    if (this.bytes.length >= this.length + bytes) return;
    const larger = new Uint8Array(2 * (this.length + bytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  #value(): boolean {
    switch (this.#input[this.#at]) {
      case QUOTE:
        return this.#string();
      case OPENING_BRACE:
        return this.#object();
      case OPENING_BRACKET:
        return this.#array();
      case 0x74:
        return this.#word(TRUE);
      case 0x66:
        return this.#word(FALSE);
      case 0x6e:
        return this.#word(NULL);
      default:
        return this.#number();
    }
  }

  #object(): boolean {
    const members = this.#members;
    const first = members.count;
    const start = this.length + 1;
    if (!this.#opens(OPENING_BRACE)) return false;
    if (this.#peek() !== CLOSING_BRACE) {
      do if (!this.#member()) return false;
      while (this.#continues());
    }
    this.length = members.sort(this.bytes, first, start, this.length);
    return this.#closes(CLOSING_BRACE);
  }

  #member(): boolean {
    if (this.#peek() !== QUOTE) return false;
    const start = this.length;
    if (!this.#string()) return false;
    const key = this.length - start;
    this.#skip();
    if (this.#peek() !== COLON) return false;
    this.#at++;
    this.#put(COLON);
    this.#put(SPACE);
    this.#skip();
    if (!this.#value()) return false;
    this.#members.add(start, key, this.length);
    return true;
  }

  #array(): boolean {
    if (!this.#opens(OPENING_BRACKET)) return false;
    if (this.#peek() !== CLOSING_BRACKET) {
      do if (!this.#value()) return false;
      while (this.#continues());
    }
    return this.#closes(CLOSING_BRACKET);
  }

  #opens(bracket: number): boolean {
    this.#put(bracket);
    this.#at++;
    this.#skip();
    return ++this.#depth <= MOST_DEPTH;
  }

  /** Whether a comma follows; it is passed then. */
  #continues(): boolean {
    this.#skip();
    if (this.#peek() !== COMMA) return false;
    this.#at++;
    this.#put(COMMA);
    this.#put(SPACE);
    this.#skip();
    return true;
  }

  #closes(bracket: number): boolean {
    if (this.#peek() !== bracket) return false;
    this.#at++;
    this.#put(bracket);
    this.#depth--;
    return true;
  }

  #string(): boolean {
    const input = this.#input;
    const out = this.bytes;
    let at = this.#at;
    let to = this.length;
    out[to++] = QUOTE;
    for (at++; ; at++) {
      const byte = input[at]!;
      if (byte === QUOTE) break;
      if (byte < SPACE || byte === BACKSLASH || at >= this.#end) return false;
      out[to++] = byte;
    }
    out[to++] = QUOTE;
    this.#at = at + 1;
    this.length = to;
    return this.#at <= this.#end;
  }

  #number(): boolean {
    const input = this.#input;
    const end = this.#end;
    let at = this.#at;
    const negative = input[at] === MINUS;
    if (negative) at++;
    const whole = at;
    while (at < end && isDigit(input[at]!)) at++;
    const digits = at - whole;
    if (digits === 0 || (digits > 1 && input[whole] === ZERO)) return false;
    if (at < end && input[at] === POINT) {
      const point = at++;
      while (at < end && isDigit(input[at]!)) at++;
      if (at === point + 1) return false;
    }
    if (at < end && (input[at] === 0x65 || input[at] === 0x45)) return false;
    if (at - whole > MOST_DIGITS || (negative && isZero(input, whole, at))) return false;
    this.#copy(input, this.#at, at);
    this.#at = at;
    return true;
  }

  #word(word: Uint8Array): boolean {
    for (let index = 0; index < word.length; index++) {
      if (this.#input[this.#at + index] !== word[index]) return false;
    }
    this.#copy(word, 0, word.length);
    this.#at += word.length;
    return this.#at <= this.#end;
  }

  #copy(from: Uint8Array, start: number, end: number): void {
    let to = this.length;
    for (let at = start; at < end; at++) this.bytes[to++] = from[at]!;
    this.length = to;
  }

  #put(byte: number): void {
    this.bytes[this.length++] = byte;
  }

  #peek(): number {
    return this.#at < this.#end ? this.#input[this.#at]! : 0;
  }

  #skip(): void {
    const input = this.#input;
    let at = this.#at;
    for (; at < this.#end; at++) {
      const byte = input[at];
      if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    }
    this.#at = at;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== ZERO && bytes[at] !== POINT) return false;
  return true;
}
