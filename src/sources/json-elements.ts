import type { DrayageError } from '../base/errors.ts';
import type { Here } from './here.ts';

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const [TAB, NEWLINE, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20];
const BOM = [0xef, 0xbb, 0xbf];

const isSpace = (byte: number) => byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;

/**
 * The elements of a JSON array, or the one document that a file is, each on a line of its own and otherwise as it
 * stands there: only line ends between its tokens become spaces. What is inside an element is left to the reader.
 * @throws SOURCE_INVALID with the byte where the file stops being JSON
 */
export async function* elementLines(here: Here): AsyncGenerator<Buffer> {
  const splitter = new Splitter(here);
  for await (const piece of here.bytes()) {
    const lines = splitter.take(piece);
    if (lines.length > 0) yield lines;
  }
  yield splitter.end();
}

class Splitter {
  readonly #here: Here;
  #at = 0;
  /** Brackets that are open inside the element. */
  #depth = 0;
  #inText = false;
  #escaped = false;
  /** Where we stand between the elements. */
  #state: 'start' | 'first' | 'element' | 'behind' | 'comma' | 'done' | 'single' = 'start';

  constructor(here: Here) {
    this.#here = here;
  }

  take(piece: Buffer): Buffer {
    // An element ends with one byte more than it came with: its line end, in place of the comma behind it.
    const out = Buffer.allocUnsafe(piece.length + 1);
    let length = 0;
    for (const byte of piece) {
      const written = this.#step(byte);
      if (written !== undefined) out[length++] = written;
      this.#at++;
    }
    return out.subarray(0, length);
  }

  end(): Buffer {
    if (this.#state === 'single' && this.#depth === 0 && !this.#inText) return Buffer.of(NEWLINE);
    if (this.#state !== 'done') throw this.#invalid('ends in the middle');
    return Buffer.alloc(0);
  }

  /** @returns the byte to write, if any */
  #step(byte: number): number | undefined {
    switch (this.#state) {
      case 'start':
        if (isSpace(byte) || (this.#at < BOM.length && byte === BOM[this.#at])) return undefined;
        if (byte === OPEN_ARRAY) this.#state = 'first';
        else if (byte === OPEN_OBJECT) {
          this.#state = 'single';
          return this.#inside(byte);
        } else throw this.#invalid('begins with neither an array nor an object');
        return undefined;
      case 'first':
      case 'comma':
        if (isSpace(byte)) return undefined;
        if (byte === CLOSE_ARRAY && this.#state === 'first') this.#state = 'done';
        else if (byte === CLOSE_ARRAY || byte === COMMA) throw this.#invalid('lacks an element');
        else {
          this.#state = 'element';
          return this.#inside(byte);
        }
        return undefined;
      case 'element':
        if (this.#depth > 0 || this.#inText || (byte !== COMMA && byte !== CLOSE_ARRAY)) return this.#inside(byte);
        this.#state = byte === COMMA ? 'comma' : 'done';
        return NEWLINE;
      case 'single':
        if (this.#depth === 0 && !isSpace(byte)) throw this.#invalid('goes on after its end');
        return this.#inside(byte);
      default:
        if (!isSpace(byte)) throw this.#invalid('goes on after its end');
        return undefined;
    }
  }

  #inside(byte: number): number {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inText = false;
      // A bare line end inside a text is not JSON; the element is then rejected for the other one that it becomes.
      return byte === NEWLINE ? RETURN : byte;
    }
    if (byte === QUOTE) this.#inText = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#depth--;
    return byte === NEWLINE || byte === RETURN ? SPACE : byte;
  }

  #invalid(problem: string): DrayageError {
    return this.#here.invalid(
      `is not JSON: it ${problem}, at byte ${this.#at + 1}`,
      'Mend the file, or name it .jsonl if it has one object a line.',
    );
  }
}
