import { open } from 'node:fs/promises';
import { type RecordBatch, RecordBatchFileWriter, type Schema } from 'apache-arrow';
import { writeWhole } from '../base/whole-write.ts';

/** Keeps what it writes until it is asked for, in place of a queue that only a stream could empty. */
class PieceWriter extends RecordBatchFileWriter {
  #pieces: Uint8Array[] = [];

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  protected override _write(chunk: ArrayBufferView): this {
    this.#pieces.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this._position += chunk.byteLength;
    return this;
  }
}

/**
 * Writes batches into a file of Arrow's (https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format), each before
 * the next one is asked for.
 * @param schema of the batches, for when there is none
 * @param path of a file that is made, or written anew
 * @returns its rows
 */
export async function writeArrowFile(
  path: string,
  schema: Schema,
  batches: AsyncIterable<RecordBatch>,
): Promise<number> {
  const file = await open(path, 'w');
  const writer = new PieceWriter();
  let rows = 0;
  let end = 0;
  const flush = async () => {
    for (const piece of writer.take()) {
      await writeWhole(file, piece, end);
      end += piece.length;
    }
  };
  try {
    writer.reset(undefined, schema);
    for await (const batch of batches) {
      writer.write(batch);
      rows += batch.numRows;
      await flush();
    }
    writer.finish();
    await flush();
    return rows;
  } finally {
    await file.close();
  }
}
