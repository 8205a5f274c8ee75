import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter } from 'apache-arrow';
import { writeWhole } from '../base/whole-write.ts';

/**
 * Record batches to be read as often as need be: the latest in memory, so that what is small needs no file, and those
 * before it in one, in Arrow's stream format.
 */
export class BatchSpool {
  readonly #path: string;
  #file: FileHandle | undefined;
  #end = 0;
  #latest: RecordBatch | undefined;
  /** Bytes of each batch. */
  readonly #lengths: number[] = [];

  /** @param path of a file that is not there yet, and is made with the second batch; so is its folder */
  constructor(path: string) {
    this.#path = path;
  }

  /** @param batch that nobody changes any more */
  async write(batch: RecordBatch): Promise<void> {
    const earlier = this.#latest;
    this.#latest = batch;
    if (!earlier) return;
    this.#file ??= await this.#open();
    const writer = new RecordBatchStreamWriter();
    writer.write(earlier);
    const bytes = writer.finish().toUint8Array(true);
    await writeWhole(this.#file, bytes, this.#end);
    this.#end += bytes.length;
    this.#lengths.push(bytes.length);
  }

  get count(): number {
    return this.#lengths.length + (this.#latest ? 1 : 0);
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
    if (this.#latest) yield this.#latest;
  }

  /** Lets go of the file; deleting it is for whoever named its folder. @returns whether there was one */
  async close(): Promise<boolean> {
    const file = this.#file;
    this.#file = undefined;
    this.#latest = undefined;
    await file?.close();
    return file !== undefined;
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true });
    return open(this.#path, 'wx+');
  }
}
