import { LARGEST_ENTRY } from './container.ts';

/** An element of a list. */
export interface Element {
  /** The list's name. */
  list: string;
  /** Its JSON text, as far as it is no longer than an entry may be. */
  text: string;
  /** In characters. */
  length: number;
}

/**
 * Takes a JSON document apart into the elements of its outermost lists while it streams by: of the document itself, or
 * of the members of an object. Whether an element is JSON is for its reader to find out.
 */
export class ElementScanner {
  /** The name of the list that is the document itself. */
  readonly #name: string;
  /** Brackets that are open, outermost first; what lies deeper than the elements is only counted. */
  readonly #open: string[] = [];
  #deeper = 0;
  #inString = false;
  #escaped = false;
  #begun = false;
  /** The text since the last comma or bracket that counts. */
  #text: string[] = [];
  #length = 0;
  #member = '';

  constructor(name: string) {
    this.#name = name;
  }

  /** Whether the document has come to its end. */
  get complete(): boolean {
    return this.#begun && this.#open.length === 0 && !this.#inString;
  }

  *pass(piece: string): Generator<Element> {
    let from = 0;
    for (let at = 0; at < piece.length; at++) {
      const character = piece[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (character === '\\') this.#escaped = true;
        else if (character === '"') this.#inString = false;
        continue;
      }
      if (character === '"') this.#inString = true;
      else if (SIGNS.includes(character)) {
        // Deep inside of an element, brackets are only counted.
        if (this.#inList && this.#passInner(character)) continue;
        this.#keep(piece.slice(from, at));
        yield* this.#sign(character);
        from = at + 1;
      }
    }
    this.#keep(piece.slice(from));
  }

  /** Whether elements are listed at this level. */
  get #inList(): boolean {
    return this.#open.at(-1) === '[';
  }

  /** @returns whether the sign lies inside of an element */
  #passInner(character: string): boolean {
    if (character === '[' || character === '{') {
      this.#deeper++;
      return true;
    }
    if (this.#deeper === 0) return character === ':';
    if (character === ']' || character === '}') this.#deeper--;
    return true;
  }

  *#sign(character: string): Generator<Element> {
    if (character === '[' || character === '{') this.#begin(character);
    else if (character === ':') this.#member = this.#open.length === 1 ? nameOf(this.#take().text) : '';
    else {
      const { text, length } = this.#take();
      if (LISTS.includes(this.#open.join('')) && length > 0) yield { list: this.#member || this.#name, text, length };
      if (character !== ',') this.#open.pop();
    }
  }

  #begin(bracket: string): void {
    this.#take();
    this.#begun = true;
    this.#open.push(bracket);
  }

  /** Past its limit, a text is no longer kept. */
  #keep(piece: string): void {
    this.#length += piece.length;
    if (this.#length <= LARGEST_ENTRY) this.#text.push(piece);
  }

  #take(): { text: string; length: number } {
    const text = this.#text.join('').trim();
    const length = this.#length > LARGEST_ENTRY ? this.#length : text.length;
    this.#text = [];
    this.#length = 0;
    return { text, length };
  }
}

const SIGNS = '[]{},:';
/** The brackets around an element: of a list, or of one in an object. */
const LISTS = ['[', '{['];

/** A member's name, from its JSON text. */
function nameOf(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return '';
  }
}
