import { Unfit } from './parsed.ts';

/** Elements inside of each other that libxml reads. */
const MOST_DEPTH = 256;

/** Names with at most one prefix (https://www.w3.org/TR/xml-names/#NT-QName). */
const NAME_START = String.raw`A-Z_a-z\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{2FF}\u{370}-\u{37D}\u{37F}-\u{1FFF}\u{200C}-\u{200D}\u{2070}-\u{218F}\u{2C00}-\u{2FEF}\u{3001}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFFD}\u{10000}-\u{EFFFF}`;
const SIMPLE_NAME = String.raw`[${NAME_START}][${NAME_START}\-.0-9\u{B7}\u{300}-\u{36F}\u{203F}-\u{2040}]*`;
const NAME = `(?:${SIMPLE_NAME}:)?${SIMPLE_NAME}`;
const SPACE = String.raw`[ \t\r\n]`;

const ILLEGAL_CHARACTER = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;
const CDATA = /<!\[CDATA\[.*?\]\]>/suy;
const INSTRUCTION = new RegExp(String.raw`<\?(${SIMPLE_NAME})(?:${SPACE}.*?)?\?>`, 'suy');
const OPEN = new RegExp(`<(${NAME})`, 'uy');
const ATTRIBUTE = new RegExp(`${SPACE}+(${NAME})${SPACE}*=${SPACE}*(?:"([^"<]*)"|'([^'<]*)')`, 'uy');
const END_OF_OPEN = new RegExp(`${SPACE}*(/?)>`, 'uy');
const CLOSE = new RegExp(`</(${NAME})${SPACE}*>`, 'uy');
const TEXT = /[^<]+/uy;
const REFERENCE = /&(?:(?:amp|lt|gt|quot|apos);|#(\d{1,7});|#x([0-9a-fA-F]{1,6});)?/gu;

/**
 * Throws `Unfit` unless the text is well-formed content of XML: elements, text, comments and so on, in any number.
 * Document types are not read, because they can declare what the rest of the text means.
 */
export function checkXmlContent(text: string): void {
  const illegal = ILLEGAL_CHARACTER.exec(text);
  if (illegal) throw new Unfit(`the XML holds the character ${codePoint(illegal[0])}, which XML does not allow`);
  new Reader(text).content();
}

class Reader {
  readonly #text: string;
  readonly #open: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  content(): void {
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] !== '<') this.#characters();
      else if (this.#text.startsWith('<!DOCTYPE', this.#at)) throw this.#unfit('a document type, which is not read');
      else if (this.#text.startsWith('<?', this.#at)) this.#instruction();
      else if (this.#text.startsWith('<!', this.#at)) this.#commentOrCdata();
      else if (this.#text.startsWith('</', this.#at)) this.#close();
      else this.#element();
    }
    const open = this.#open.at(-1);
    if (open !== undefined) throw new Unfit(`the XML ends inside of the element ${open}`);
  }

  #characters(): void {
    const characters = this.#take(TEXT)![0];
    if (characters.includes(']]>')) throw this.#unfit(']]> in its text');
    this.#references(characters);
  }

  #instruction(): void {
    const instruction = this.#take(INSTRUCTION);
    if (!instruction) throw this.#unfit('an unfinished or misnamed processing instruction');
    if (instruction[1]!.toLowerCase() === 'xml') throw this.#unfit('an XML declaration, which belongs at the start');
  }

  #commentOrCdata(): void {
    if (this.#take(CDATA)) return;
    // Two hyphens may only stand at a comment's end.
    const end = this.#text.startsWith('<!--', this.#at) ? this.#text.indexOf('--', this.#at + 4) : -1;
    if (end < 0 || this.#text[end + 2] !== '>') throw this.#unfit('<! that begins no comment');
    this.#at = end + 3;
  }

  #element(): void {
    const name = this.#take(OPEN)?.[1];
    if (name === undefined) throw this.#unfit('< that begins no element');
    const attributes = new Set<string>();
    for (let attribute = this.#take(ATTRIBUTE); attribute; attribute = this.#take(ATTRIBUTE)) {
      if (attributes.has(attribute[1]!)) throw this.#unfit(`the attribute ${attribute[1]} twice`);
      attributes.add(attribute[1]!);
      this.#references(attribute[2] ?? attribute[3]!);
    }
    const end = this.#take(END_OF_OPEN);
    if (!end) throw this.#unfit(`the element ${name} with something that is no attribute`);
    if (this.#open.length >= MOST_DEPTH) throw this.#unfit(`elements more than ${MOST_DEPTH} deep`);
    if (!end[1]) this.#open.push(name);
  }

  #close(): void {
    const name = this.#take(CLOSE)?.[1];
    if (name === undefined || this.#open.pop() !== name) throw this.#unfit('an end tag without its start');
  }

  #references(text: string): void {
    for (const [reference, decimal, hexadecimal] of text.matchAll(REFERENCE)) {
      const code = decimal ? Number(decimal) : hexadecimal ? Number.parseInt(hexadecimal, 16) : 0x20;
      if (reference === '&' || code > 0x10ffff || ILLEGAL_CHARACTER.test(String.fromCodePoint(code))) {
        throw this.#unfit(`an unknown reference, ${JSON.stringify(text.slice(text.indexOf('&')).slice(0, 20))}`);
      }
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  #unfit(what: string): Unfit {
    return new Unfit(`the XML has ${what}, at character ${this.#at + 1}`);
  }
}

function codePoint(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
