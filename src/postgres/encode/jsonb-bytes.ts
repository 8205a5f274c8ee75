const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Deeper documents are left to the slower way, whose stack is smaller still. */
const MOST_DEPTH = 100;
/** More might be more than numeric holds. */
const MOST_DIGITS = 1000;
/** A member of an object that is being written: where it begins, how long its key is, and where it ends. */
const MEMBER = 3;

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
  /** Of the objects around the place that is being read, one behind the other. */
  readonly #members: number[] = [];

  /** Appends the document in [from, to). @returns false when it is one for the slower way; nothing is appended then */
  append(input: Uint8Array, from: number, to: number): boolean {
    const start = this.length;
    // One space more behind each comma and colon at most.
    this.reserve(2 * (to - from));
    this.#input = input;
    this.#at = from;
    this.#end = to;
    this.#depth = 0;
    this.#members.length = 0;
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
      case 0x7b:
        return this.#object();
      case 0x5b:
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
    const first = members.length;
    if (++this.#depth > MOST_DEPTH) return false;
    const start = this.length;
    this.#put(0x7b);
    this.#at++;
    this.#skip();
    let ordered = true;
    if (this.#peek() === 0x7d) this.#at++;
    else {
      for (;;) {
        const member = members.length;
        if (this.#peek() !== QUOTE) return false;
        members.push(this.length, 0, 0);
        if (!this.#string()) return false;
        members[member + 1] = this.length - members[member]!;
        if (member > first && ordered) ordered = this.#compare(member - MEMBER, member) < 0;
        this.#skip();
        if (this.#peek() !== COLON) return false;
        this.#at++;
        this.#put(COLON);
        this.#put(SPACE);
        this.#skip();
        if (!this.#value()) return false;
        members[member + 2] = this.length;
        this.#skip();
        const next = this.#peek();
        this.#at++;
        if (next === 0x7d) break;
        if (next !== COMMA) return false;
        this.#put(COMMA);
        this.#put(SPACE);
        this.#skip();
      }
    }
    if (!ordered) this.#sort(first, start + 1);
    this.#put(0x7d);
    members.length = first;
    this.#depth--;
    return true;
  }

  #array(): boolean {
    if (++this.#depth > MOST_DEPTH) return false;
    this.#put(0x5b);
    this.#at++;
    this.#skip();
    if (this.#peek() === 0x5d) this.#at++;
    else {
      for (;;) {
        if (!this.#value()) return false;
        this.#skip();
        const next = this.#peek();
        this.#at++;
        if (next === 0x5d) break;
        if (next !== COMMA) return false;
        this.#put(COMMA);
        this.#put(SPACE);
        this.#skip();
      }
    }
    this.#put(0x5d);
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

  /** Puts the members from `first` on into the order of jsonb; of equal keys the last one stays. */
  #sort(first: number, start: number): void {
    const members = this.#members;
    const order: number[] = [];
    for (let member = first; member < members.length; member += MEMBER) order.push(member);
    order.sort((a, b) => this.#compare(a, b) || a - b);
    const kept = order.filter((member, index) => {
      const next = order[index + 1];
      return next === undefined || this.#compare(member, next) !== 0;
    });
    const written = this.bytes.slice(start, this.length);
    this.length = start;
    for (const [index, member] of kept.entries()) {
      if (index > 0) {
        this.#put(COMMA);
        this.#put(SPACE);
      }
      this.#copy(written, members[member]! - start, members[member + 2]! - start);
    }
  }

  /** Keys by the length of their bytes, then by the bytes. */
  #compare(a: number, b: number): number {
    const members = this.#members;
    const length = members[a + 1]!;
    if (length !== members[b + 1]!) return length - members[b + 1]!;
    const [one, other] = [members[a]!, members[b]!];
    for (let index = 0; index < length; index++) {
      const difference = this.bytes[one + index]! - this.bytes[other + index]!;
      if (difference !== 0) return difference;
    }
    return 0;
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
