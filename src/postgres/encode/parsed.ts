import type { Data } from '../../arrow/batch.ts';
import { isValid, textOf } from '../../arrow/cells.ts';
import { type ColumnEncoder, writeNull } from './column.ts';

/** Thrown by a parser for a text that is no value of the type. */
export class Unfit extends Error {
  readonly reason: string | undefined;

  /** @param reason other than the one that the encoder was made with */
  constructor(message: string, reason?: string) {
    super(message);
    this.reason = reason;
  }
}

/** How much of a text is shown in a message. */
const SHOWN = 60;

/**
 * An encoder of texts whose binary form has to be worked out value by value.
 * @param parse gives the binary form, or throws `Unfit`
 * @param reason of the rejects
 */
export function parsed(parse: (text: string) => Uint8Array, reason: string): ColumnEncoder {
  // Checked, measured and written one after the other: parsed once.
  let latest: { data: Data; images: (Uint8Array | Unfit | undefined)[] } | undefined;
  const imagesOf = (data: Data) => {
    if (latest?.data === data) return latest.images;
    const images = Array.from({ length: data.length }, (_, row) => {
      return isValid(data, row) ? attempt(parse, textOf(data, row)) : undefined;
    });
    latest = { data, images };
    return images;
  };
  return {
    check(data, report) {
      for (const [row, image] of imagesOf(data).entries()) {
        if (!(image instanceof Unfit)) continue;
        const text = textOf(data, row);
        const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
        report(row, image.reason ?? reason, `${JSON.stringify(shown)}: ${image.message}`);
      }
    },
    size(data, from, to, sizes) {
      const images = imagesOf(data);
      for (let row = from; row < to; row++) {
        const image = images[row];
        if (image instanceof Uint8Array) sizes[row - from]! += image.length;
      }
    },
    write(data, from, to, target) {
      const { out, view, at } = target;
      const images = imagesOf(data);
      for (let row = from; row < to; row++) {
        const slot = row - from;
        const image = images[row];
        if (!(image instanceof Uint8Array)) {
          writeNull(target, slot);
          continue;
        }
        view.setInt32(at[slot]!, image.length);
        out.set(image, at[slot]! + 4);
        at[slot]! += 4 + image.length;
      }
    },
  };
}

function attempt(parse: (text: string) => Uint8Array, text: string): Uint8Array | Unfit {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof Unfit) return error;
    throw error;
  }
}
