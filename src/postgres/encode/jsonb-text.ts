import { parseNumeric } from './numeric-text.ts';

/**
 * JSON as jsonb gives it back (`JsonbToCString`, `utils/adt/jsonb.c`): keys by the length of their bytes, then by the
 * bytes; of equal keys the last one; numbers as numeric writes them, with every digit; one space behind commas and
 * colons; no escape that is not needed. What is sent in this form is what comes back, so that both have one checksum.
 * @param text valid JSON without escaped NULs and without halves of surrogate pairs
 * @throws Unfit for a number that numeric cannot hold
 */
export function jsonbText(text: string): string {
  return new Writer(text).value();
}

const NUMBER = /-?(\d+)(?:\.(\d+))?(?:[eE][+-]?\d+)?/y;
/** More digits than this, and numeric might refuse them. */
const MOST_PLAIN_LENGTH = 16_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

interface Member {
  /** As it is written, in quotes. */
  key: string;
  value: string;
}

/** One pass over the text, which is known to be valid. */
class Writer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): string {
    switch (this.#next()) {
      case OPENING_BRACE:
        return this.#object();
      case OPENING_BRACKET:
        return this.#array();
      case QUOTE:
        return this.#string();
      case 0x74:
      case 0x6e:
        return this.#take(4);
      case 0x66:
        return this.#take(5);
      default:
        return this.#number();
    }
  }

  #object(): string {
    this.#at++;
    const members: Member[] = [];
    let ordered = true;
    while (this.#next() !== CLOSING_BRACE) {
      const key = this.#string();
      this.#next();
      this.#at++;
      const last = members.at(-1);
      ordered &&= last === undefined || compareKeys(last.key, key) < 0;
      members.push({ key, value: this.value() });
      if (this.#next() === COMMA) this.#at++;
    }
    this.#at++;
    const kept = ordered ? members : sorted(members);
    return `{${kept.map(({ key, value }) => `${key}: ${value}`).join(', ')}}`;
  }

  #array(): string {
    this.#at++;
    const elements: string[] = [];
    while (this.#next() !== CLOSING_BRACKET) {
      elements.push(this.value());
      if (this.#next() === COMMA) this.#at++;
    }
    this.#at++;
    return `[${elements.join(', ')}]`;
  }

  #string(): string {
    const start = this.#at++;
    let escaped = false;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at++);
      if (code === QUOTE) break;
      if (code !== BACKSLASH) continue;
      escaped = true;
      this.#at++;
    }
    const written = this.#text.slice(start, this.#at);
    // JSON.stringify escapes just what jsonb does, in the same way, for text that is well-formed.
    return escaped ? JSON.stringify(JSON.parse(written)) : written;
  }

  #number(): string {
    NUMBER.lastIndex = this.#at;
    const [written, whole, fraction = ''] = NUMBER.exec(this.#text)!;
    this.#at += written.length;
    const plain = /[eE]/.test(written) === false && written.length < MOST_PLAIN_LENGTH;
    if (!plain) return numericText(written);
    // Zero has no sign.
    return written[0] === '-' && /^0*$/.test(whole! + fraction) ? written.slice(1) : written;
  }

  #take(length: number): string {
    this.#at += length;
    return this.#text.slice(this.#at - length, this.#at);
  }

  /** Goes to what is not white space. */
  #next(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at);
    return code;
  }
}

/** A number as `numeric_out` writes it. @throws Unfit */
function numericText(written: string): string {
  const { sign, digits, point, scale } = parseNumeric(written);
  const whole = digits.slice(0, Math.max(0, point)).padEnd(Math.max(0, point), '0') || '0';
  const behind = point < 0 ? '0'.repeat(-point) + digits : digits.slice(point);
  const text = scale > 0 ? `${whole}.${behind.padEnd(scale, '0')}` : whole;
  return sign !== 0 && digits !== '' ? `-${text}` : text;
}

/** Keys in the order of jsonb, the last of equal ones. */
function sorted(members: readonly Member[]): Member[] {
  const last = new Map(members.map((member) => [member.key, member]));
  return [...last.values()].sort((a, b) => compareKeys(a.key, b.key));
}

const ASCII = /^[\x20-\x7e]*$/;

function compareKeys(a: string, b: string): number {
  if (ASCII.test(a) && ASCII.test(b) && !a.includes('\\') && !b.includes('\\')) {
    return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  }
  const [one, other] = [bytesOf(a), bytesOf(b)];
  return one.length - other.length || Buffer.compare(one, other);
}

/** Of the key itself, without quotes and escapes. */
function bytesOf(key: string): Buffer {
  return Buffer.from(JSON.parse(key) as string);
}
