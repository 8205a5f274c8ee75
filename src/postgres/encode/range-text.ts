import { isSpace, quoted, trimmed, Unfit } from './parsed.ts';

/** The bounds of a range as text, without their quotes; undefined where there is no bound. */
export interface RangeText {
  lower: string | undefined;
  upper: string | undefined;
  lowerInclusive: boolean;
  upperInclusive: boolean;
}

const EMPTY = 'empty';

/** A range as `range_in` reads it (`utils/adt/rangetypes.c`), or 'empty'. */
export function parseRangeText(text: string): RangeText | 'empty' {
  if (trimmed(text).toLowerCase() === EMPTY) return EMPTY;
  const cursor = new Cursor(text);
  const range = cursor.range();
  cursor.skipSpace();
  if (!cursor.atEnd) throw cursor.unfit('a range');
  return range;
}

/** The ranges of a multirange as `multirange_in` reads them (`utils/adt/multirangetypes.c`), without empty ones. */
export function parseMultirangeText(text: string): RangeText[] {
  const cursor = new Cursor(text);
  const ranges: RangeText[] = [];
  cursor.expect('{', 'a multirange');
  cursor.skipSpace();
  if (!cursor.take('}')) {
    do {
      cursor.skipSpace();
      if (!cursor.takeEmpty()) ranges.push(cursor.range());
      cursor.skipSpace();
    } while (cursor.take(','));
    cursor.expect('}', 'a multirange');
  }
  cursor.skipSpace();
  if (!cursor.atEnd) throw cursor.unfit('a multirange');
  return ranges;
}

/** Reads one text from left to right. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.skipSpace();
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  unfit(wanted: string): Unfit {
    return new Unfit(`${quoted(this.#text)} is not ${wanted}`);
  }

  skipSpace(): void {
    while (isSpace(this.#text[this.#at])) this.#at++;
  }

  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  takeEmpty(): boolean {
    if (this.#text.slice(this.#at, this.#at + EMPTY.length).toLowerCase() !== EMPTY) return false;
    this.#at += EMPTY.length;
    return true;
  }

  expect(character: string, wanted: string): void {
    if (!this.take(character)) throw this.unfit(wanted);
  }

  range(): RangeText {
    const lowerInclusive = this.take('[');
    if (!lowerInclusive) this.expect('(', 'a range');
    const lower = this.#bound();
    this.expect(',', 'a range');
    const upper = this.#bound();
    const upperInclusive = this.take(']');
    if (!upperInclusive) this.expect(')', 'a range');
    return { lower, upper, lowerInclusive, upperInclusive };
  }

  /** Up to the next comma or bracket outside of quotes; nothing at all means that there is no bound. */
  #bound(): string | undefined {
    const start = this.#at;
    let bound = '';
    let inQuotes = false;
    while (inQuotes || !',)]'.includes(this.#text[this.#at] ?? '')) {
      const character = this.#next();
      if (character === '\\') bound += this.#next();
      else if (character !== '"') bound += character;
      else if (inQuotes && this.take('"')) bound += '"';
      else inQuotes = !inQuotes;
    }
    return this.#at === start ? undefined : bound;
  }

  #next(): string {
    const character = this.#text[this.#at++];
    if (character === undefined) throw this.unfit('a range');
    return character;
  }
}
