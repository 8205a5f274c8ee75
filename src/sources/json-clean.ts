import { isUtf8 } from 'node:buffer';
import { exactTexts, holdsInexact } from './exact-numbers.ts';
import { type Here, wholeLines } from './here.ts';

/** How a line begins that stands for one that DuckDB would misread; what follows is JSON. */
export const MARKED = '{"drayage:line":';

export interface CleanOptions {
  /** Take what DuckDB takes for JSON. */
  lenient: boolean;
  /** Look at every digit of long numbers, which takes its time. */
  exact: boolean;
  /** Columns that hold JSON. */
  isJson: (name: string) => boolean;
}

export interface CleanLines {
  path: string;
  /** Whether `path` is the file itself, packed as it was. */
  untouched: boolean;
  lines: number;
  /** Bytes of the longest line, so that a reader knows how much room it needs. */
  longest: number;
  /** Whether every line may be a document, and DuckDB would read it as what it says. */
  plain: boolean;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BRACE = 0x7b;
const BOM = Buffer.of(0xef, 0xbb, 0xbf);
/** The column separator that the line reader is given. */
const SEPARATOR = 0x01;

/** What DuckDB's reader takes and JSON does not (https://www.rfc-editor.org/rfc/rfc8259), or what may be it. */
const SUSPECT = /,\s*[\]}]|[:[,]\s*-?(?:nan|inf(?:inity)?)\s*[,}\]]/i;

/**
 * The lines of a file so that DuckDB reads each as what it says: strict JSON, UTF-8, every digit of its numbers. Most
 * files are that already; others are copied, and lines that are not are replaced by marked ones: numbers stay right,
 * and what is wrong is rejected by its line.
 */
export async function cleanLines(here: Here, { lenient, exact, isJson }: CleanOptions): Promise<CleanLines> {
  const cleaner = new Cleaner({ lenient, exact, isJson });
  let plain = true;
  let returns = false;
  let lines = 0;
  let longest = 0;
  for await (const block of wholeLines(here.bytes({ brief: true }))) {
    plain &&= !cleaner.isIrregular(block);
    returns ||= block.includes(RETURN);
    for (let start = 0; start < block.length; ) {
      const end = lineEnd(block, start);
      // A blank line is none to some readers, and then the numbers are no longer right; null is a row of nulls to DuckDB.
      if (block[start] !== BRACE && !opensObject(block.subarray(start, end), lines === 0)) plain = false;
      longest = Math.max(longest, end - start);
      lines++;
      start = end + 1;
    }
  }
  if (plain || !(returns || cleaner.metIrregular)) return { path: here.path, untouched: true, lines, longest, plain };
  let longestCopy = 0;
  async function* cleaned() {
    for await (const block of wholeLines(here.bytes({ brief: true }))) {
      const { bytes, longest: copied } = cleaner.clean(block);
      longestCopy = Math.max(longestCopy, copied);
      yield bytes;
    }
  }
  const path = await here.write('lines', cleaned());
  return { path, untouched: false, lines, longest: longestCopy, plain: false };
}

/** Whether the first token of a line is a brace. */
function opensObject(line: Buffer, first: boolean): boolean {
  let at = first && line.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0;
  while (line[at] === 0x20 || line[at] === 0x09) at++;
  return line[at] === BRACE;
}

function lineEnd(block: Buffer, start: number): number {
  const newline = block.indexOf(NEWLINE, start);
  return newline === -1 ? block.length : newline;
}

class Cleaner {
  metIrregular = false;
  readonly #lenient: boolean;
  readonly #exact: boolean;
  readonly #isJson: (name: string) => boolean;

  constructor({ lenient, exact, isJson }: CleanOptions) {
    this.#lenient = lenient;
    this.#exact = exact;
    this.#isJson = isJson;
  }

  isIrregular(block: Buffer): boolean {
    const text = block.toString('latin1');
    const irregular =
      block.includes(SEPARATOR) ||
      !isUtf8(block) ||
      (!this.#lenient && SUSPECT.test(text)) ||
      (this.#exact && holdsInexact(text));
    // A block may look irregular and all of its lines be sound after all.
    const found = irregular && this.#linesOf(block).some((line) => this.#marked(line) !== undefined);
    this.metIrregular ||= found;
    return found;
  }

  clean(block: Buffer): { bytes: Buffer; longest: number } {
    let longest = 0;
    const lines = this.#linesOf(block).map((line) => {
      const bytes = this.#marked(line) ?? line;
      longest = Math.max(longest, bytes.length);
      return bytes;
    });
    const newline = Buffer.of(NEWLINE);
    return { bytes: Buffer.concat(lines.flatMap((line) => [line, newline])), longest };
  }

  #linesOf(block: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    for (let start = 0; start < block.length; ) {
      const end = lineEnd(block, start);
      lines.push(block.subarray(start, end > start && block[end - 1] === RETURN ? end - 1 : end));
      start = end + 1;
    }
    return lines;
  }

  /** What stands for a line that DuckDB would misread; undefined for all others. */
  #marked(bytes: Buffer): Buffer | undefined {
    if (!isUtf8(bytes)) return mark(bytes.toString('base64'), { 'drayage:problem': 'the line is not valid UTF-8' });
    const line = bytes.toString();
    // Between tokens they are blanks; inside a text they are not JSON.
    if (bytes.includes(RETURN) && isStrict(line)) return Buffer.from(line.replaceAll('\r', ' '));
    if (
      bytes.includes(RETURN) ||
      bytes.includes(SEPARATOR) ||
      (!this.#lenient && SUSPECT.test(line) && !isStrict(line))
    ) {
      return mark(line, { 'drayage:problem': 'the line is not valid JSON' });
    }
    if (!this.#exact || !holdsInexact(line) || !isStrict(line) || !line.trimStart().startsWith('{')) return undefined;
    return mark(line, exactTexts(line, this.#isJson));
  }
}

function mark(line: string, more: Record<string, string | null>): Buffer {
  return Buffer.from(JSON.stringify({ 'drayage:line': line, ...more }));
}

function isStrict(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
