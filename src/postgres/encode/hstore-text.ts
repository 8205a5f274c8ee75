import { isSpace, quoted, Unfit } from './parsed.ts';

export type Pairs = [key: string, value: string | null][];

/** The pairs in hstore's text, as `parse_hstore` reads them (`contrib/hstore/hstore_io.c`). */
export function parseHstoreText(text: string): Pairs {
  const cursor = new Cursor(text);
  const pairs: Pairs = [];
  for (let key = cursor.word(false); key; key = cursor.word(false)) {
    cursor.skipSpace();
    cursor.expect('=');
    cursor.expect('>');
    const value = cursor.word(true);
    if (!value) throw cursor.unfit();
    pairs.push([key.text, !value.isQuoted && value.text.toLowerCase() === 'null' ? null : value.text]);
    cursor.skipSpace();
    if (cursor.atEnd) break;
    cursor.expect(',');
  }
  return pairs;
}

/** Reads one text from left to right. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  unfit(): Unfit {
    return new Unfit(`${quoted(this.#text)} is not an hstore, such as "key"=>"value"`);
  }

  skipSpace(): void {
    while (isSpace(this.#text[this.#at])) this.#at++;
  }

  expect(character: string): void {
    if (this.#text[this.#at++] !== character) throw this.unfit();
  }

  /** A key, which ends before an equals sign, or a value, which ends before a comma; undefined at the end. */
  word(isValue: boolean): { text: string; isQuoted: boolean } | undefined {
    this.skipSpace();
    if (this.atEnd) return undefined;
    if (this.#text[this.#at] === '"') {
      this.#at++;
      return { text: this.#quoted(), isQuoted: true };
    }
    if (!isValue && this.#text[this.#at] === '=') throw this.unfit();
    return { text: this.#bare(isValue), isQuoted: false };
  }

  #quoted(): string {
    let text = '';
    for (let character = this.#next(); character !== '"'; character = this.#next()) {
      text += character === '\\' ? this.#next() : character;
    }
    return text;
  }

  /** Its first character belongs to it, whichever it is. */
  #bare(isValue: boolean): string {
    const end = isValue ? ',' : '=';
    let text = '';
    while (!this.atEnd && !isSpace(this.#text[this.#at]) && (text === '' || this.#text[this.#at] !== end)) {
      const character = this.#next();
      text += character === '\\' ? this.#next() : character;
    }
    return text;
  }

  #next(): string {
    const character = this.#text[this.#at++];
    if (character === undefined) throw this.unfit();
    return character;
  }
}
