import { Checksum } from '../postgres/checksum.ts';
import { BatchEncoder, type EncodedColumn } from '../postgres/encode/batch.ts';
import type { Stretch } from './row-copy.ts';

/** Told of the image of each row: index in the batch, and where it lies until the next piece. */
type OnImage = (row: number, start: number, end: number) => void;

/** Rows as images in memory, to be looked at before they are sent, if they are. */
export class Images {
  readonly checksum = new Checksum();
  bytes = new Uint8Array();
  view = new DataView(this.bytes.buffer);
  readonly #encoder: BatchEncoder;

  constructor(columns: readonly EncodedColumn[]) {
    this.#encoder = new BatchEncoder(columns);
  }

  /** Encodes piece by piece. */
  *of({ batch, from, to }: Stretch): Generator<(each: OnImage) => void, void, undefined> {
    for (const piece of this.#encoder.cut(batch, from, to)) {
      if (this.bytes.length < piece.bytes) {
        this.bytes = new Uint8Array(2 * piece.bytes);
        this.view = new DataView(this.bytes.buffer);
      }
      this.#encoder.encode(batch, piece, this.bytes.subarray(0, piece.bytes), this.checksum);
      yield (each) => {
        for (let slot = 0, start = 0; slot < piece.sizes.length; start += piece.sizes[slot++]!) {
          each(piece.from + slot, start, start + piece.sizes[slot]!);
        }
      };
    }
  }
}
