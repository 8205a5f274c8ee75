import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const PIECE_BYTES = 1024 * 1024;

/**
 * The bytes of a file here. A piece is only good until the next one is asked for: V8 sees too little of them to let them go
 * in time.
 */
export async function* piecesOf(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  await using file = await open(path);
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
  }
}

/** As hexadecimal digits. */
export async function sha256Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(path, signal)) hash.update(piece);
  return hash.digest('hex');
}
