import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import type { Kind } from '../../arrow/types.ts';
import { type ColumnEncoder, type Report, writeNull } from './column.ts';
import { textEncoder } from './text.ts';

/** Thrown by a parser whose text is no value of the column's type; the message is for whoever looks at the rejects. */
export class Unfit extends Error {
  /** Why, when it is something else than what the parser's values are generally rejected for. */
  readonly reason: string | undefined;

  constructor(message: string, reason?: string) {
    super(message);
    this.reason = reason;
  }
}

/** A value as it stands in a message: whole when it is short. */
export function quoted(text: string): string {
  return text.length > 60 ? `"${text.slice(0, 60)}…"` : `"${text}"`;
}

/** Text without the white space that Postgres skips; JavaScript's `trim` takes away more kinds. */
export function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

export function isSpace(character: string | undefined): boolean {
  return character !== undefined && character !== '' && ' \t\n\v\f\r'.includes(character);
}

interface Parsed {
  /** By row; none where the value is null or unfit. */
  images: (Uint8Array | undefined)[];
  faults: { row: number; reason: string; message: string }[];
}

const text = textEncoder('utf8', undefined, false)!;

/**
 * An encoder of text that is read here and sent in the type's binary form. A batch is parsed once, however often its
 * check, its sizes and its cells are asked for.
 * @param parse throws `Unfit` for text that is no value of the type
 * @param reason of an `Unfit` that has none of its own
 */
export function parsed(parse: (text: string) => Uint8Array, reason: string): ColumnEncoder {
  const byBatch = new WeakMap<Data, Parsed>();
  const open = (data: Data): Parsed => {
    let found = byBatch.get(data);
    if (!found) {
      found = parseAll(data, parse, reason);
      byBatch.set(data, found);
    }
    return found;
  };
  return {
    check(data, report) {
      for (const { row, reason, message } of open(data).faults) report(row, reason, message, true);
    },
    size(data, from, to, sizes) {
      const { images } = open(data);
      for (let index = from; index < to; index++) sizes[index - from]! += images[index]?.length ?? 0;
    },
    write(data, from, to, target) {
      const { out, view, at } = target;
      const { images } = open(data);
      for (let index = from; index < to; index++) {
        const slot = index - from;
        const image = images[index];
        if (!image) {
          writeNull(target, slot);
          continue;
        }
        const position = at[slot]!;
        view.setInt32(position, image.length);
        out.set(image, position + 4);
        at[slot] = position + 4 + image.length;
      }
    },
  };
}

/** `parsed` for the kind that nearly all of these types are read from. */
export function parsedText(kind: Kind, parse: (text: string) => Uint8Array, reason: string): ColumnEncoder | undefined {
  return kind === 'utf8' ? parsed(parse, reason) : undefined;
}

function parseAll(data: Data, parse: (text: string) => Uint8Array, reason: string): Parsed {
  const images: Parsed['images'] = new Array(data.length).fill(undefined);
  const faults: Parsed['faults'] = [];
  const unreadable = new Set<number>();
  const report: Report = (row, reason, message) => {
    unreadable.add(row);
    faults.push({ row, reason, message });
  };
  text.check!(data, report);
  for (let row = 0; row < data.length; row++) {
    if (!isValid(data, row) || unreadable.has(row)) continue;
    try {
      images[row] = parse(textOf(data, row));
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      faults.push({ row, reason: error.reason ?? reason, message: error.message });
    }
  }
  return { images, faults };
}
