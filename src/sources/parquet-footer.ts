import { DrayageError } from '../base/errors.ts';
import { digest } from '../base/ids.ts';
import type { FoundFile } from './format.ts';
import { misnamed } from './misnamed.ts';

const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';
/** The footer's length and the closing magic. */
const TAIL_BYTES = 8;
/** Enough for most footers, so that one request is. */
const GUESS_BYTES = 32 * 1024;
const HEAD_BYTES = 64;

export interface Footer {
  /** With its length and the closing magic. */
  bytes: Buffer;
  digest: string;
}

/**
 * The end of a Parquet file, where everything else is described (https://parquet.apache.org/docs/file-format/).
 * @param known how many bytes it takes, when that is known
 * @throws SOURCE_INVALID that says what the file is instead of a whole Parquet file
 */
export async function readFooter(file: FoundFile, signal: AbortSignal, known?: number): Promise<Footer> {
  const { size } = file;
  if (size === 0) throw invalid(file, 'is empty');
  const last = await read(file, size - (known ?? GUESS_BYTES), size, signal);
  const magic = last.toString('latin1', Math.max(0, last.length - 4));
  if (magic !== MAGIC || size < TAIL_BYTES + MAGIC.length) {
    const head = await read(file, 0, HEAD_BYTES, signal);
    throw invalid(file, diagnose(head, magic));
  }
  const length = last.readUInt32LE(last.length - TAIL_BYTES) + TAIL_BYTES;
  if (length + MAGIC.length > size) throw invalid(file, 'is damaged: its footer is longer than the file');
  const bytes =
    length <= last.length ? last.subarray(last.length - length) : await read(file, size - length, size, signal);
  return { bytes, digest: digest(bytes.subarray(0, -TAIL_BYTES)) };
}

async function read(file: FoundFile, start: number, end: number, signal: AbortSignal): Promise<Buffer> {
  const range = { start: Math.max(0, start), end: Math.min(end, file.size) };
  const pieces: Buffer[] = [];
  for await (const piece of file.store.read(file, range, signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function diagnose(head: Buffer, end: string): string {
  const start = head.toString('latin1');
  if (start.startsWith(ENCRYPTED_MAGIC) || end === ENCRYPTED_MAGIC) return 'is an encrypted Parquet file';
  if (start.startsWith(MAGIC)) return 'is a truncated Parquet file: it ends without a footer';
  return misnamed(head) ?? 'is not a Parquet file';
}

function invalid(file: FoundFile, problem: string): DrayageError {
  return new DrayageError('SOURCE_INVALID', `${file.path} ${problem}`, {
    hint: 'Replace the file, or leave it out of the path.',
  });
}
