import type { FileHandle } from 'node:fs/promises';

/** Writes all the bytes. The system may take fewer at a time, as it does on a disk that is about to be full, and call it a success. */
export async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}
