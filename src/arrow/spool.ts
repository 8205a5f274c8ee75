import { type FileHandle, open } from 'node:fs/promises';
import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter } from 'apache-arrow';

/** Record batches in a file, in Arrow's stream format, to be read as often as need be. */
export class BatchSpool {
  readonly #path: string;
  #file: FileHandle | undefined;
  #end = 0;
  /** Bytes of each batch. */
  readonly #lengths: number[] = [];

  /** @param path of a file that is not there yet, and is made with the first batch */
  constructor(path: string) {
    this.#path = path;
  }

  async write(batch: RecordBatch): Promise<void> {
    this.#file ??= await open(this.#path, 'wx+');
    const writer = new RecordBatchStreamWriter();
    writer.write(batch);
    const bytes = writer.finish().toUint8Array(true);
    await this.#file.write(bytes, 0, bytes.length, this.#end);
    this.#end += bytes.length;
    this.#lengths.push(bytes.length);
  }

  /** The batches in the order in which they came; each has memory of its own. */
  async *batches(): AsyncGenerator<RecordBatch> {
    let position = 0;
    for (const length of this.#lengths) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await this.#file!.read(bytes, 0, length, position);
      if (bytesRead !== length) throw new Error(`the spool file ${this.#path} is shorter than what was written to it`);
      yield* RecordBatchReader.from(bytes);
      position += length;
    }
  }

  /** Lets go of the file; deleting it is for whoever made its folder. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}
